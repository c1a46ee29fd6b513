#pragma once

#include <cstdint>

namespace attnbench {

/// From now on this process may add `more_bytes` to the address space it has, and what the stacks and arenas
/// of `threads` threads take. Allocations beyond fail.
void limit_address_space(std::int64_t more_bytes, int threads);
/// Takes that limit back.
void unlimit_address_space();

}  // namespace attnbench
