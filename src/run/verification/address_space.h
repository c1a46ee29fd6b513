#pragma once

#include <cstdint>

namespace attnbench {

/// From now on this process may add `more_bytes` to the address space it has, and what the stacks and arenas
/// of `threads` threads take. Allocations beyond fail.
void limit_address_space(std::int64_t more_bytes, int threads);
/// Takes that limit back.
void unlimit_address_space();
/// Moves the limit, where there is one, by what is mapped now (or, negative, no longer) and is no kernel's.
void move_address_space_limit(std::int64_t bytes);

}  // namespace attnbench
