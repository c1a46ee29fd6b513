#pragma once

#include <span>

#include "attnbench/kernel.h"
#include "core/ceilings.h"

namespace attnbench {

/// The path of a kernel that preferred_path() takes of those that support the problem. `kernels` are those
/// that compute the problem's mechanism; other kernels and engines among them are passed over. Null if no
/// path of the kernel supports the problem.
const KernelInfo* default_path(const KernelInfo& kernel, std::span<const KernelInfo* const> kernels,
                               const Problem& problem, const Device& device, const Ceilings& ceilings);

}  // namespace attnbench
