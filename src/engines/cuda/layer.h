#pragma once

#include <memory>

#include "attnbench/kernel.h"
#include "core/layer.h"
#include "engines/cuda/execution.h"

/// Layer scope by products of cuBLASLt. Heads are split and merged by strided views of
/// (batch, seqlen, heads, head_dim) results, so nothing is copied.
namespace attnbench::cuda {

/// Of the projections; the core's kernel answers for the rest.
Support layer_support(const Problem& layer);
/// Projections around `core`, which was planned for core_problem(layer).
std::unique_ptr<CudaExecution> make_layer(const Problem& layer, const Device& device,
                                          std::unique_ptr<CudaExecution> core);

}  // namespace attnbench::cuda
