#pragma once

#include <cstdint>
#include <memory>

#include "attnbench/host_kernel.h"
#include "core/layer.h"

/// Layer scope by products of this engine. Heads are split and merged by strided views of
/// (batch, seqlen, heads, head_dim) results, so nothing is copied. Where the CPU has no products of the
/// element type they are products in f32: x, weights and merged heads are converted in each call, and results
/// back.
namespace attnbench::cpu {

Support layer_support(const Problem& layer, const CpuDevice& device);
/// Projections around `core`, which was prepared for core_problem(layer).
std::unique_ptr<HostExecution> prepare_layer(const Problem& layer, const CpuDevice& device,
                                             std::unique_ptr<HostExecution> core);
/// Without the core's own.
std::int64_t layer_workspace_bytes(const Problem& layer, const CpuDevice& device);

}  // namespace attnbench::cpu
