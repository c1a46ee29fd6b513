#include "engines/cuda/unfused/dense.h"

namespace attnbench::cuda {

DenseAttention::DenseAttention(const Problem& problem, const Device& device, KvHeads kv_heads)
    : CudaExecution(problem, device),
      repeats_(kv_heads == KvHeads::repeated && problem.mechanism.num_kv_heads != problem.shape.num_q_heads),
      scores_(workspace_.reserve(problem.shape.batch * problem.shape.num_q_heads * problem.shape.seqlen_q *
                                 padded(problem.shape.seqlen_kv) * size_bytes(DType::f32))),
      matmul_(workspace_) {
  if (!repeats_) return;
  const auto& s = problem.shape;
  const auto rows = s.batch * s.num_q_heads * s.seqlen_kv;
  repeated_k_ = workspace_.reserve(rows * s.head_dim_qk * size_bytes(s.dtype_kv));
  repeated_v_ = workspace_.reserve(rows * s.head_dim_v * size_bytes(s.dtype_kv));
}

TensorView DenseAttention::repeat(const TensorView& from, std::int64_t part, cudaStream_t stream) const {
  const auto& s = problem_.shape;
  auto* to = workspace_.at<void>(part);
  RowMap map;
  map.rows = static_cast<std::int32_t>(from.sizes[2]);
  map.batch = static_cast<std::int32_t>(s.batch);
  map.heads = static_cast<std::int32_t>(s.num_q_heads);
  map.group = static_cast<std::int32_t>(s.num_q_heads / from.sizes[1]);
  check(launch_copy_rows(strided(from), map, to, false, from.dtype, stream), "copy_rows (repeating heads)");
  return dense_view(to, from.dtype, Layout::bhsd, s.batch, s.num_q_heads, from.sizes[2], from.sizes[3]);
}

void DenseAttention::enqueue(const Tensors& t, cudaStream_t stream) {
  const auto& s = problem_.shape;
  const auto& q = t[Role::q];
  const auto& o = t[Role::o];
  const auto k = repeats_ ? repeat(t[Role::k], repeated_k_, stream) : t[Role::k];
  const auto v = repeats_ ? repeat(t[Role::v], repeated_v_, stream) : t[Role::v];
  const auto keys = k.sizes[2];
  const auto heads = k.sizes[1];
  const auto group = s.num_q_heads / heads;
  const auto stride = padded(keys);
  auto* scores = workspace_.at<float>(scores_);
  const auto p_type = s.dtype_q;

  // Heads of a batch entry lie at equal distances; over the batch they do where entries follow each other.
  const auto follows = [&](const TensorView& view) {
    return s.batch == 1 || view.strides[0] == view.sizes[1] * view.strides[1];
  };
  const bool all_at_once = group == 1 && follows(q) && follows(k) && follows(v) && follows(o);
  const auto entries = all_at_once ? 1 : s.batch;
  const auto matrix = s.seqlen_q * stride;
  const auto for_products = [&](auto&& body) {
    for (std::int64_t b = 0; b < entries; ++b) {
      for (std::int64_t g = 0; g < group; ++g) body(b, g, scores + (b * s.num_q_heads + g) * matrix);
    }
  };
  Product product{s.seqlen_q, keys, s.head_dim_qk, all_at_once ? s.batch * heads : heads};
  product.in = s.dtype_q;
  product.a = rows_of(q);
  product.a.batch_stride *= group;
  product.b = rows_of(k, true);
  product.c = {stride, group * matrix, false};
  for_products([&](std::int64_t b, std::int64_t g, float* to) {
    matmul_.run(product, q.row_bytes(b, g, 0), k.row_bytes(b, 0, 0), to, stream);
  });

  SoftmaxRows rows;
  rows.scores = scores;
  rows.row_stride = stride;
  rows.batch = static_cast<std::int32_t>(s.batch);
  rows.heads = static_cast<std::int32_t>(s.num_q_heads);
  rows.rows = static_cast<std::int32_t>(s.seqlen_q);
  rows.columns = rows.keys = static_cast<std::int32_t>(keys);
  rows.first_position = static_cast<std::int32_t>(keys - s.seqlen_q);
  rows.mask = mask_of(problem_.mechanism);
  rows.scale = static_cast<float>(s.softmax_scale);
  rows.p_dtype = p_type;
  rows.lse = strided(t[Role::lse]);
  check(launch_softmax_rows(rows, stream), "softmax_rows");

  Product values{s.seqlen_q, s.head_dim_v, keys, product.batch};
  values.in = p_type;
  values.out = s.dtype_o;
  values.a = {p_stride(stride, p_type), group * s.seqlen_q * p_stride(stride, p_type), false};
  values.b = rows_of(v);
  values.c = rows_of(o);
  values.c.batch_stride *= group;
  for_products([&](std::int64_t b, std::int64_t g, float* p) {
    matmul_.run(values, p, v.row_bytes(b, 0, 0), o.row_bytes(b, g, 0), stream);
  });
}

double dense_flops(const Problem& problem) {
  const auto& s = problem.shape;
  return 2.0 * static_cast<double>(s.head_dim_qk + s.head_dim_v) *
         static_cast<double>(s.batch * s.num_q_heads) * static_cast<double>(s.seqlen_q) *
         static_cast<double>(s.seqlen_kv);
}

}  // namespace attnbench::cuda
