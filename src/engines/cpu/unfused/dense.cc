#include "engines/cpu/unfused/dense.h"

#include <cstring>

#include "core/parallel.h"

namespace attnbench::cpu {
namespace {

MatmulShape scores_shape(const Problem& p, std::int64_t rows, std::int64_t score_stride, Layout kv_layout) {
  const auto& s = p.shape;
  return {.m = rows,
          .n = s.seqlen_kv,
          .k = s.head_dim_qk,
          .a = {s.dtype_q, dense_row_stride(s.layout, s.num_q_heads, s.head_dim_qk)},
          .b = {s.dtype_kv, 1, dense_row_stride(kv_layout, p.mechanism.num_kv_heads, s.head_dim_qk)},
          .c = {DType::f32, score_stride}};
}

MatmulShape values_shape(const Problem& p, std::int64_t rows, std::int64_t score_stride, Layout kv_layout) {
  const auto& s = p.shape;
  return {.m = rows,
          .n = s.head_dim_v,
          .k = s.seqlen_kv,
          .a = probabilities(s.dtype_q, score_stride),
          .b = {s.dtype_kv, dense_row_stride(kv_layout, p.mechanism.num_kv_heads, s.head_dim_v)},
          .c = {s.dtype_o, dense_row_stride(s.layout, s.num_q_heads, s.head_dim_v)}};
}

void mask_row(float* row, const AllowedKeys& allowed, std::int64_t keys) {
  fill(row, allowed.globals.end, allowed.local.begin, kMaskedScore);
  fill(row, allowed.local.end, keys, kMaskedScore);
}

}  // namespace

DenseAttention::DenseAttention(const Problem& problem, const CpuDevice& device, KvHeads kv_heads)
    : problem_(problem),
      threads_(device.threads),
      slices_(slice_rows(problem.shape.batch * problem.shape.num_q_heads, problem.shape.seqlen_q, threads_)),
      score_stride_(padded_row(problem.shape.seqlen_kv)),
      repeats_(kv_heads == KvHeads::repeated && problem.mechanism.num_kv_heads != problem.shape.num_q_heads),
      scores_(
          scores_shape(problem, slices_.rows, score_stride_, repeats_ ? Layout::bhsd : problem.shape.layout),
          Matmul::Threading::caller, threads_, workspace_),
      values_(
          values_shape(problem, slices_.rows, score_stride_, repeats_ ? Layout::bhsd : problem.shape.layout),
          Matmul::Threading::caller, threads_, workspace_),
      score_rows_(workspace_, threads_, slices_.rows * score_stride_ * size_bytes(DType::f32)) {
  if (!repeats_) return;
  const auto& s = problem.shape;
  const auto rows = s.batch * s.num_q_heads * s.seqlen_kv;
  repeated_k_ = workspace_.reserve(rows * s.head_dim_qk * size_bytes(s.dtype_kv));
  repeated_v_ = workspace_.reserve(rows * s.head_dim_v * size_bytes(s.dtype_kv));
}

void DenseAttention::call(const Tensors& t) {
  const auto& s = problem_.shape;
  auto k = t[Role::k];
  auto v = t[Role::v];
  if (repeats_) {
    repeat(t);
    const auto repeated = [&](std::int64_t part, std::int64_t head_dim) {
      return dense_view(workspace_.at<void*>(part), s.dtype_kv, Layout::bhsd, s.batch, s.num_q_heads,
                        t[Role::k].sizes[2], head_dim);
    };
    k = repeated(repeated_k_, s.head_dim_qk);
    v = repeated(repeated_v_, s.head_dim_v);
  }
  parallel_for(threads_, s.batch * s.num_q_heads * slices_.count,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 for (auto item = begin; item < end; ++item) attend(t, k, v, item, thread);
               });
}

void DenseAttention::repeat(const Tensors& t) {
  const auto& s = problem_.shape;
  const auto keys = t[Role::k].sizes[2];
  const auto group = s.num_q_heads / problem_.mechanism.num_kv_heads;
  const auto copy_head = [&](const TensorView& from, std::int64_t part, std::int64_t item) {
    const auto row_bytes = static_cast<std::size_t>(from.sizes[3] * size_bytes(from.dtype));
    auto* to = workspace_.at<char>(part) + item * keys * static_cast<std::int64_t>(row_bytes);
    const auto batch = item / s.num_q_heads;
    const auto kv_head = item % s.num_q_heads / group;
    if (from.rows_are_contiguous()) {
      std::memcpy(to, row_of(from, batch, kv_head, 0), static_cast<std::size_t>(keys) * row_bytes);
      return;
    }
    for (std::int64_t j = 0; j < keys; ++j, to += row_bytes) {
      std::memcpy(to, row_of(from, batch, kv_head, j), row_bytes);
    }
  };
  parallel_for(threads_, s.batch * s.num_q_heads, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto item = begin; item < end; ++item) {
      copy_head(t[Role::k], repeated_k_, item);
      copy_head(t[Role::v], repeated_v_, item);
    }
  });
}

void DenseAttention::attend(const Tensors& t, const TensorView& k, const TensorView& v, std::int64_t item,
                            int thread) {
  const auto& s = problem_.shape;
  const auto keys = k.sizes[2];
  const auto head = item / slices_.count % s.num_q_heads;
  const auto batch = item / slices_.count / s.num_q_heads;
  const auto first = slices_.begin(item % slices_.count);
  const auto rows = std::min(slices_.rows, s.seqlen_q - first);
  const auto kv_head = head / (s.num_q_heads / k.sizes[1]);
  auto* scores = score_rows_.at<float>(workspace_, thread);

  auto product = scores_.shape();
  product.m = rows;
  product.n = keys;
  product.a.row_stride = row_stride(t[Role::q], product.a.row_stride);
  product.b.col_stride = row_stride(k, product.b.col_stride);
  scores_.run(thread, product, row_of(t[Role::q], batch, head, first), row_of(k, batch, kv_head, 0), scores);

  const ScoreRows score_rows{scores, rows, keys, score_stride_};
  const auto scale = make_scale_positive(score_rows, s.softmax_scale);
  const auto& m = problem_.mechanism;
  const bool masks = m.is_causal() || m.kind == MechanismKind::swa || keys < s.seqlen_q;
  if (masks) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto position = first + r + keys - s.seqlen_q;
      mask_row(scores + r * score_stride_, allowed_keys(m, position, keys), keys);
    }
  }
  softmax_rows(score_rows, scale, operand_type(s.dtype_q), lse_from(t[Role::lse], batch, head, first));

  product = values_.shape();
  product.m = rows;
  product.k = keys;
  product.b.row_stride = row_stride(v, product.b.row_stride);
  product.c.row_stride = row_stride(t[Role::o], product.c.row_stride);
  values_.run(thread, product, scores, row_of(v, batch, kv_head, 0), row_of(t[Role::o], batch, head, first));
}

double dense_moved_bytes(const Problem& problem, DenseAttention::KvHeads heads) {
  const auto& s = problem.shape;
  const auto all_heads = static_cast<double>(s.batch * s.num_q_heads);
  const auto keys = static_cast<double>(s.seqlen_kv);
  const bool repeats =
      heads == DenseAttention::KvHeads::repeated && problem.mechanism.num_kv_heads < s.num_q_heads;
  const double kv_rows = all_heads * keys * (repeats ? 3 : 1);  // of one repeated: read, written, read
  return unfused_moved_bytes(s, all_heads * static_cast<double>(s.seqlen_q) * keys, kv_rows);
}

double dense_flops(const Problem& problem) {
  const auto& s = problem.shape;
  return 2.0 * static_cast<double>(s.head_dim_qk + s.head_dim_v) *
         static_cast<double>(s.batch * s.num_q_heads) * static_cast<double>(s.seqlen_q) *
         static_cast<double>(s.seqlen_kv);
}

}  // namespace attnbench::cpu
