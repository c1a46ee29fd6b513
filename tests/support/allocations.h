#pragma once

#include <cstdint>

namespace attnbench::testing_support {

/// Whether this program counts its allocations; with a sanitizer's own allocator it does not.
bool counts_allocations();

/// Calls of malloc and its kin, by any thread and library of this program, since it started.
std::int64_t allocations();

}  // namespace attnbench::testing_support
