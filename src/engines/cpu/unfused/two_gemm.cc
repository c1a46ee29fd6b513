/// Linear attention as two products. Per kv head: phi(K), its column sums z, S = phi(K)^T V. Per query head:
/// phi(Q), the numerators phi(Q) S, then the division by phi(Q) z + eps. phi and S are rounded to the element
/// type, sums are f32. In f16 S stays f32: sums over the keys could leave the range of f16.
#include "core/parallel.h"
#include "core/register_kernel.h"
#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {
namespace {

MatmulShape state_shape(const Shape& s, std::int64_t kv_heads) {
  return {.m = s.head_dim_qk,
          .n = s.head_dim_v,
          .k = s.seqlen_kv,
          .a = {s.dtype_kv, 1, s.head_dim_qk},
          .b = {s.dtype_kv, dense_row_stride(s.layout, kv_heads, s.head_dim_v)},
          .c = {operand_type(s.dtype_kv), s.head_dim_v}};
}

MatmulShape numerators_shape(const Shape& s, std::int64_t rows) {
  return {.m = rows,
          .n = s.head_dim_v,
          .k = s.head_dim_qk,
          .a = {s.dtype_q, s.head_dim_qk},
          .b = {operand_type(s.dtype_kv), s.head_dim_v},
          .c = {DType::f32, s.head_dim_v}};
}

class TwoGemmExecution final : public PlannedExecution {
 public:
  TwoGemmExecution(const Problem& problem, const CpuDevice& device)
      : s_(problem.shape),
        kv_heads_(problem.mechanism.num_kv_heads),
        eps_(static_cast<float>(problem.mechanism.eps)),
        threads_(device.threads),
        slices_(slice_rows(s_.batch * s_.num_q_heads, s_.seqlen_q, threads_)),
        state_(state_shape(s_, kv_heads_), Matmul::Threading::caller, threads_, workspace_),
        numerators_(numerators_shape(s_, slices_.rows), Matmul::Threading::caller, threads_, workspace_),
        features_(workspace_, threads_,
                  std::max(s_.seqlen_kv, slices_.rows) * s_.head_dim_qk * size_bytes(s_.dtype_q)),
        sums_(workspace_, threads_, slices_.rows * s_.head_dim_v * size_bytes(DType::f32)),
        states_(workspace_.reserve(s_.batch * kv_heads_ * state_bytes())),
        normalisers_(workspace_.reserve(s_.batch * kv_heads_ * s_.head_dim_qk * size_bytes(DType::f32))) {}

  void call(const Tensors& t) override {
    parallel_for(threads_, s_.batch * kv_heads_, [&](std::int64_t begin, std::int64_t end, int thread) {
      for (auto item = begin; item < end; ++item) reduce_keys(t, item, thread);
    });
    parallel_for(threads_, s_.batch * s_.num_q_heads * slices_.count,
                 [&](std::int64_t begin, std::int64_t end, int thread) {
                   for (auto item = begin; item < end; ++item) apply_queries(t, item, thread);
                 });
  }

 private:
  std::int64_t state_bytes() const {
    return s_.head_dim_qk * s_.head_dim_v * size_bytes(operand_type(s_.dtype_kv));
  }
  void* state(std::int64_t kv_item) const { return workspace_.at<char>(states_) + kv_item * state_bytes(); }
  float* normaliser(std::int64_t kv_item) const {
    return workspace_.at<float>(normalisers_) + kv_item * s_.head_dim_qk;
  }

  /// phi of `rows` rows from `first` on, dense.
  char* features_of(const TensorView& x, std::int64_t batch, std::int64_t head, std::int64_t first,
                    std::int64_t rows, int thread) const {
    auto* features = features_.at<char>(workspace_, thread);
    if (x.rows_are_contiguous()) {
      phi(row_of(x, batch, head, first), features, rows * s_.head_dim_qk, s_.dtype_q);
      return features;
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      phi(row_of(x, batch, head, first + r), features + r * row_bytes(), s_.head_dim_qk, s_.dtype_q);
    }
    return features;
  }
  std::int64_t row_bytes() const { return s_.head_dim_qk * size_bytes(s_.dtype_q); }

  void reduce_keys(const Tensors& t, std::int64_t item, int thread) {
    const auto batch = item / kv_heads_;
    const auto kv_head = item % kv_heads_;
    const auto keys = t[Role::k].sizes[2];
    const char* features = features_of(t[Role::k], batch, kv_head, 0, keys, thread);
    column_sums(features, normaliser(item), keys, s_.head_dim_qk, s_.dtype_kv);
    auto product = state_.shape();
    product.k = keys;
    product.b.row_stride = row_stride(t[Role::v], product.b.row_stride);
    state_.run(thread, product, features, row_of(t[Role::v], batch, kv_head, 0), state(item));
  }

  void apply_queries(const Tensors& t, std::int64_t item, int thread) {
    const auto head = item / slices_.count % s_.num_q_heads;
    const auto batch = item / slices_.count / s_.num_q_heads;
    const auto first = slices_.begin(item % slices_.count);
    const auto rows = std::min(slices_.rows, s_.seqlen_q - first);
    const auto kv_item = batch * kv_heads_ + head / (s_.num_q_heads / kv_heads_);
    const char* features = features_of(t[Role::q], batch, head, first, rows, thread);
    auto* sums = sums_.at<float>(workspace_, thread);
    auto product = numerators_.shape();
    product.m = rows;
    numerators_.run(thread, product, features, state(kv_item), sums);
    for (std::int64_t r = 0; r < rows; ++r) {
      const bool sees_keys = first + r + t[Role::k].sizes[2] >= s_.seqlen_q;
      if (!sees_keys) fill(sums + r * s_.head_dim_v, 0, s_.head_dim_v, 0);
      const auto divisor =
          dot(features + r * row_bytes(), normaliser(kv_item), s_.head_dim_qk, s_.dtype_q) + eps_;
      divide(sums + r * s_.head_dim_v, divisor, row_of(t[Role::o], batch, head, first + r), s_.head_dim_v,
             s_.dtype_o);
    }
  }

  Shape s_;
  std::int64_t kv_heads_;
  float eps_;
  int threads_;
  RowSlices slices_;
  Matmul state_, numerators_;
  ThreadParts features_, sums_;
  std::int64_t states_, normalisers_;
};

class TwoGemm final : public UnfusedKernel<TwoGemmExecution> {
 public:
  std::string_view kernel() const override { return "two_gemm"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::linear}; }

 protected:
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto rows = s.num_q_heads * s.seqlen_q + problem.mechanism.num_kv_heads * s.seqlen_kv;
    return 2.0 * static_cast<double>(s.batch * rows) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_two_gemm) {
  static const attnbench::cpu::TwoGemm kernel;
  return kernel;
}
