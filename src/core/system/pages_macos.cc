#include "core/system/pages.h"

namespace attnbench {

void ask_for_large_pages(void*, std::int64_t) {}

}  // namespace attnbench
