#pragma once

#include <span>

#include "attnbench/kernel.h"
#include "run/ceilings/ceilings.h"

namespace attnbench {

/// The instruction path on which a kernel runs by default. Of the paths of one kernel that support a problem
/// it is the one whose arithmetic unit reached the highest rate on this machine (vdpbf16ps is twice as fast
/// as FMA on one CPU and half as fast on another); among equals the first of amx, avx512bf16, avx512, others.
/// `kernels` are those that compute the problem's mechanism; other kernels and engines among them are passed
/// over. Null if no path of the kernel supports the problem.
const KernelInfo* default_path(const KernelInfo& kernel, std::span<const KernelInfo* const> kernels,
                               const Problem& problem, const Device& device, const Ceilings& ceilings);

}  // namespace attnbench
