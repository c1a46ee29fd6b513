#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "core/ceilings.h"

namespace attnbench {

// What is said of a cell's kernels before any of them is timed. A run decides it here, once, and stores it;
// what shows results reads it there.

/// "direct": materialises scores, windows or prefix sums, as the published kernels do. "fused": keeps them in
/// registers and caches.
std::string_view form_of(std::string_view kernel);

/// The instruction path on which a kernel runs by default, of those (at least one) that can compute a
/// problem: the one whose arithmetic unit reached the highest rate on this machine (vdpbf16ps is twice as
/// fast as FMA on one CPU and half as fast on another); rates within 5 % of the highest are equal, and among
/// equals the first of amx, avx512bf16, avx512, neonbf16, neonf16, others is taken, then as given. Returns
/// its index.
std::size_t preferred_path(std::span<const std::string_view> paths, const Ceilings& ceilings);

}  // namespace attnbench
