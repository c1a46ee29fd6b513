#pragma once

#include <cstdint>

namespace attnbench {

/// Asks that these bytes, from the beginning of a large page, lie on large pages. A wish: macOS has one size.
void ask_for_large_pages(void* memory, std::int64_t bytes);

}  // namespace attnbench
