#include "core/system/system_files.h"

namespace attnbench {

std::optional<std::string> read_from_system(const std::string& path) { return read_file(path); }

}  // namespace attnbench
