#pragma once

#include <cstdint>
#include <memory>

#include "attnbench/host_kernel.h"

/// Layer scope: X (batch, 1, seqlen, d_model) -> Q, K, V = X Wq, X Wk, X Wv -> attention -> merged heads Wo.
/// No bias; every product accumulates in f32 and is rounded to the element type. Heads are split and merged
/// by strided views of (batch, seqlen, heads, head_dim) results, so nothing is copied.
namespace attnbench::cpu {

/// What the core kernel inside a layer computes: the same mechanism on projected tensors in layout bshd.
Problem core_problem(const Problem& layer);

Support layer_support(const Problem& layer, const CpuDevice& device);
/// Projections around `core`, which was prepared for core_problem(layer).
std::unique_ptr<HostExecution> prepare_layer(const Problem& layer, const CpuDevice& device,
                                             std::unique_ptr<HostExecution> core);
double projection_flops(const Problem& layer);
/// Without the core's own.
std::int64_t layer_workspace_bytes(const Problem& layer, const CpuDevice& device);

}  // namespace attnbench::cpu
