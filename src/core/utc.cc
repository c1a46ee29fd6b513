#include "core/utc.h"

#include <fmt/chrono.h>

#include <ctime>

namespace attnbench {

std::string now_utc() { return fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace attnbench
