#pragma once

#include <cstdint>
#include <oneapi/dnnl/dnnl_graph.hpp>
#include <string>
#include <vector>

#include "attnbench/problem.h"
#include "attnbench/tensor.h"

namespace attnbench::onednn {

/// Attention as oneDNN's documentation writes it: MatMul, Multiply by the scale, Add of the mask, SoftMax,
/// MatMul, all results in f32. Grouped heads are a dimension of their own; one head of
/// K and V for all is broadcast. Queries that see no key are not in it.
struct AttentionGraph {
  dnnl::graph::compiled_partition compiled;
  std::vector<dnnl::graph::logical_tensor> inputs;  ///< q, k, scale, where there is one the mask, v
  dnnl::graph::logical_tensor output;
  /// Which of its kernels oneDNN chose, by its log: "sdp_decomp_kernel_t".
  std::string kernel;
};

const dnnl::engine& engine();

/// Threads that oneDNN uses in what this thread asks of it.
void set_threads(int threads);

/// Whether a query that sees keys does not see all of them.
bool needs_mask(const Problem& problem, std::int64_t keys);

/// Compiles it for tensors of these sizes and strides, whose memory is not looked at. Throws dnnl::error
/// where oneDNN cannot and std::runtime_error where it makes several partitions of it.
AttentionGraph compile(const Problem& problem, const Tensors& tensors, int threads);

}  // namespace attnbench::onednn
