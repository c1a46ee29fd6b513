#pragma once

#include <optional>

#include "attnbench/kernel.h"

namespace attnbench {

/// Whether results depend on circumstances that the mathematics knows nothing of; recorded, not required.
/// Bitwise comparisons of o with what the kernel gave in `tensors`; nullopt where the kernel does not support
/// the other problem, or layer scope has none.
///
/// The last query row of the last batch entry, computed alone: seqlen_q = 1, batch = 1.
std::optional<bool> unchanged_alone(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                    const Tensors& tensors);
/// The last batch entry, computed in a batch of one more entry, all equal to it.
std::optional<bool> unchanged_in_batch(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                       const Tensors& tensors);
/// The whole problem on 1 thread, or on 2 where `device` has 1.
std::optional<bool> unchanged_threads(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                      const Tensors& tensors);
/// o of the two calls, bit by bit.
bool same_output(const TensorView& a, const TensorView& b);

}  // namespace attnbench
