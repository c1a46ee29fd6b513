#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>

#include "attnbench/host_kernel.h"
#include "engines/cpu/cpu_kernel.h"
#include "engines/cpu/matmul.h"
#include "engines/cpu/row_ops.h"
#include "engines/cpu/workspace.h"

/// What the unfused kernels share. Each runs as an eager framework would, one operation after the other with
/// its result in memory, but head by head: product, softmax and product of one head follow each other while
/// its scores are in cache. Threads take heads, or slices of a head's query rows where heads are too few.
namespace attnbench::cpu {

/// Equal parts of one head's query rows.
struct RowSlices {
  std::int64_t count = 1;
  std::int64_t rows = 0;  ///< of each but the last, which may be shorter

  std::int64_t begin(std::int64_t slice) const { return slice * rows; }
};

/// So many slices that `heads` heads (over the batch) divide evenly over the threads.
inline RowSlices slice_rows(std::int64_t heads, std::int64_t rows, int threads) {
  const auto wanted = std::min<std::int64_t>(threads / std::gcd(heads, std::int64_t{threads}), rows);
  const auto each = (rows + wanted - 1) / wanted;
  return {(rows + each - 1) / each, each};
}

/// Row stride of a dense tensor of that layout.
inline std::int64_t dense_row_stride(Layout layout, std::int64_t heads, std::int64_t head_dim) {
  return layout == Layout::bhsd ? head_dim : heads * head_dim;
}

/// Start of a row whatever the element type.
inline void* row_of(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t position) {
  const auto elements = batch * view.strides[0] + head * view.strides[1] + position * view.strides[2];
  return static_cast<char*>(view.data) + elements * size_bytes(view.dtype);
}

inline LseColumn lse_from(const TensorView& lse, std::int64_t batch, std::int64_t head, std::int64_t query) {
  if (!lse) return {};
  return {lse.row<float>(batch, head, query), lse.strides[2]};
}

inline constexpr float kMaskedScore = -std::numeric_limits<float>::infinity();

/// P, which replaces scores in place: of a type of two bytes it fills the first half of each row.
inline MatrixLayout probabilities(DType dtype, std::int64_t score_stride) {
  const auto type = operand_type(dtype);
  return {type, score_stride * size_bytes(DType::f32) / size_bytes(type)};
}

/// Of a product, a softmax in place and a product: q and o once, `pairs` f32 scores written and read, as many
/// weights in the operands' type written and read, and `kv_rows` rows of k and of v. Of all heads.
inline double unfused_moved_bytes(const Shape& s, double pairs, double kv_rows) {
  const auto query_rows = static_cast<double>(s.batch * s.num_q_heads * s.seqlen_q);
  const auto dims = static_cast<double>(s.head_dim_qk + s.head_dim_v);
  const double weight = 4 + static_cast<double>(size_bytes(operand_type(s.dtype_q)));
  return static_cast<double>(size_bytes(s.dtype_q)) * dims * (query_rows + kv_rows) + 2 * weight * pairs;
}

/// The factor left for the softmax. A scale of 0 or below is applied to the scores here, since -inf marks
/// masked scores only under a positive one.
inline float make_scale_positive(const ScoreRows& scores, double softmax_scale) {
  const auto scale = static_cast<float>(softmax_scale);
  if (scale > 0) return scale;
  multiply(scores, scale);
  return 1;
}

/// One element type and full lengths, and products of type `products` on this CPU.
Support unfused_support(const Problem& problem, const CpuDevice& device, DType products);

/// A kernel whose execution type `E` plans in its constructor E(problem, device) and allocates in allocate().
template <typename E>
class UnfusedKernel : public CpuKernel {
 protected:
  Support core_supports(const Problem& problem, const CpuDevice& device) const override {
    return unfused_support(problem, device, problem.shape.dtype_q);
  }
  std::unique_ptr<HostExecution> core_prepare(const Problem& problem, const CpuDevice& device) const final {
    auto execution = std::make_unique<E>(problem, device);
    execution->allocate();
    return execution;
  }
  std::int64_t core_workspace_bytes(const Problem& problem, const CpuDevice& device) const final {
    return E(problem, device).workspace_bytes();
  }
};

/// Execution with a workspace that is planned first and allocated last.
class PlannedExecution : public HostExecution {
 public:
  void allocate() { workspace_.allocate(); }
  std::int64_t workspace_bytes() const final { return workspace_.bytes(); }

 protected:
  Workspace workspace_;
};

}  // namespace attnbench::cpu
