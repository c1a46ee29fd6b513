/// Block-sparse attention as the published study executes it, a batch of small products for the diagonal
/// blocks plus the part of the global tokens, but under one softmax over the union. Queries, keys and values
/// are first copied into whole blocks of positions, padded with zeros. A row of scores holds the keys of the
/// query's own block, then the global keys. Global queries are dense rows, computed last.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/common.h"

namespace attnbench::cuda {
namespace {

/// Sizes, cut to the keys there are.
struct Blocks {
  Blocks(const Problem& p, std::int64_t keys)
      : size(std::min(p.mechanism.block_size, keys)), globals(std::min(p.mechanism.globals, keys)) {
    const auto queries = p.shape.seqlen_q;
    first = std::max<std::int64_t>(keys - queries, 0) / size;
    count = (keys + size - 1) / size - first;
    dense_queries = std::clamp<std::int64_t>(globals - std::max<std::int64_t>(keys - queries, 0), 0, queries);
  }
  std::int64_t size, globals;
  std::int64_t first = 0, count = 0;  ///< blocks that hold queries
  std::int64_t dense_queries = 0;     ///< global ones
  std::int64_t rows() const { return count * size; }
  /// Columns of a row of scores: the block's keys, then global ones, which begin on a 16-byte boundary.
  std::int64_t global_column() const { return padded(size); }
  std::int64_t columns() const { return globals > 0 ? global_column() + globals : size; }
};

class BatchedExecution final : public CudaExecution {
 public:
  BatchedExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device), matmul_(workspace_) {
    const auto& s = problem.shape;
    const auto heads = s.batch * s.num_q_heads;
    // Fewer keys than prepared may reach over one block more.
    const Blocks blocks(problem, s.seqlen_kv);
    const auto rows = blocks.rows() + 2 * blocks.size;
    q_ = workspace_.reserve(heads * rows * s.head_dim_qk * size_bytes(s.dtype_q));
    k_ = workspace_.reserve(heads * rows * s.head_dim_qk * size_bytes(s.dtype_kv));
    v_ = workspace_.reserve(heads * rows * s.head_dim_v * size_bytes(s.dtype_kv));
    scores_ = workspace_.reserve(heads * rows * padded(blocks.columns()) * 4);
    sums_ = workspace_.reserve(heads * rows * s.head_dim_v * 4);
    const auto most_dense = std::min(blocks.globals, s.seqlen_q);
    dense_ = workspace_.reserve(heads * most_dense * padded(s.seqlen_kv) * 4);
  }

 protected:
  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& s = problem_.shape;
    const auto keys = t[Role::k].sizes[2];
    const Blocks blocks(problem_, keys);
    const auto heads = s.batch * s.num_q_heads;
    const auto start = blocks.first * blocks.size;  // position of row 0
    const auto shift = keys - s.seqlen_q;           // position of a query less its number
    const auto rows = blocks.rows();
    const auto stride = padded(blocks.columns());
    const auto p = p_stride(stride, s.dtype_q);
    auto* scores = workspace_.at<float>(scores_);
    copy(t[Role::q], start - shift, rows, q_, stream);
    copy(t[Role::k], start, rows, k_, stream);
    copy(t[Role::v], start, rows, v_, stream);

    Product product{blocks.size, blocks.size, s.head_dim_qk, heads * blocks.count};
    product.in = s.dtype_q;
    product.a = dense_rows(s.head_dim_qk, blocks.size);
    product.b = dense_rows(s.head_dim_qk, blocks.size, true);
    product.c = dense_rows(stride, blocks.size);
    matmul_.run(product, workspace_.at<void>(q_), workspace_.at<void>(k_), scores, stream);
    if (blocks.globals > 0) {
      Product global{rows, blocks.globals, s.head_dim_qk, 1};
      global.in = s.dtype_q;
      global.a = dense_rows(s.head_dim_qk, rows);
      global.b = rows_of(t[Role::k], true);
      global.c = dense_rows(stride, rows);
      for_groups(global, [&](const Product& each, std::int64_t b, std::int64_t kv_head, std::int64_t item) {
        matmul_.run(each, elements(q_, item * rows * s.head_dim_qk, s.dtype_q),
                    t[Role::k].row_bytes(b, kv_head, 0),
                    scores + item * rows * stride + blocks.global_column(), stream);
      });
    }

    auto softmax = rows_for(t, scores, stride, keys);
    softmax.rows = static_cast<std::int32_t>(rows);
    softmax.columns = static_cast<std::int32_t>(blocks.columns());
    softmax.global_column = static_cast<std::int32_t>(blocks.global_column());
    softmax.first_position = static_cast<std::int32_t>(start);
    softmax.first_query = static_cast<std::int32_t>(start - shift);
    softmax.kind = Columns::block;
    softmax.mask.block = static_cast<std::int32_t>(blocks.size);
    softmax.mask.globals = static_cast<std::int32_t>(blocks.globals);
    check(launch_softmax_rows(softmax, stream), "softmax_rows");

    auto* sums = workspace_.at<float>(sums_);
    Product values{blocks.size, s.head_dim_v, blocks.size, heads * blocks.count};
    values.in = s.dtype_q;
    values.a = dense_rows(p, blocks.size);
    values.b = dense_rows(s.head_dim_v, blocks.size);
    values.c = dense_rows(s.head_dim_v, blocks.size);
    matmul_.run(values, scores, workspace_.at<void>(v_), sums, stream);
    if (blocks.globals > 0) {
      Product global{rows, s.head_dim_v, blocks.globals, 1};
      global.in = s.dtype_q;
      global.a = dense_rows(p, rows);
      global.b = rows_of(t[Role::v]);
      global.c = dense_rows(s.head_dim_v, rows);
      global.accumulate = true;
      for_groups(global, [&](const Product& each, std::int64_t b, std::int64_t kv_head, std::int64_t item) {
        matmul_.run(each, elements(scores_, item * rows * p + blocks.global_column(), s.dtype_q),
                    t[Role::v].row_bytes(b, kv_head, 0), sums + item * rows * s.head_dim_v, stream);
      });
    }
    FinishRows finish;
    finish.numerators = sums;
    finish.rows = rows;
    finish.offset = shift - start;
    finish.batch = static_cast<std::int32_t>(s.batch);
    finish.o = strided(t[Role::o]);
    check(launch_finish_rows(finish, stream), "finish_rows");
    unseeing_lse(t, shift, stream);
    if (blocks.dense_queries > 0) attend_globals(t, blocks, keys, stream);
  }

 private:
  void copy(const TensorView& from, std::int64_t first_row, std::int64_t rows, std::int64_t part,
            cudaStream_t stream) const {
    const auto& s = problem_.shape;
    RowMap map;
    map.rows = static_cast<std::int32_t>(rows);
    map.batch = static_cast<std::int32_t>(s.batch);
    map.heads = static_cast<std::int32_t>(s.num_q_heads);
    map.group = static_cast<std::int32_t>(s.num_q_heads / from.sizes[1]);
    map.offset = static_cast<std::int32_t>(first_row);
    check(launch_copy_rows(strided(from), map, workspace_.at<void>(part), false, from.dtype, stream),
          "copy_rows (into blocks)");
  }

  /// Products of the query heads of a group with one head of K or V: for each kv head one, a batch of its
  /// group.
  template <typename Body>
  void for_groups(Product product, Body&& body) const {
    const auto& s = problem_.shape;
    const auto kv_heads = problem_.mechanism.num_kv_heads;
    const auto group = s.num_q_heads / kv_heads;
    if (group == 1) {  // heads of a batch entry at once
      product.batch = s.num_q_heads;
      for (std::int64_t b = 0; b < s.batch; ++b) body(product, b, std::int64_t{0}, b * s.num_q_heads);
      return;
    }
    product.batch = group;
    product.b.batch_stride = 0;
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t h = 0; h < kv_heads; ++h) body(product, b, h, b * s.num_q_heads + h * group);
    }
  }

  std::byte* elements(std::int64_t part, std::int64_t count, DType dtype) const {
    return workspace_.at<std::byte>(part) + count * size_bytes(dtype);
  }

  SoftmaxRows rows_for(const Tensors& t, float* scores, std::int64_t stride, std::int64_t keys) const {
    const auto& s = problem_.shape;
    SoftmaxRows rows;
    rows.scores = scores;
    rows.row_stride = stride;
    rows.batch = static_cast<std::int32_t>(s.batch);
    rows.heads = static_cast<std::int32_t>(s.num_q_heads);
    rows.keys = static_cast<std::int32_t>(keys);
    rows.mask = mask_of(problem_.mechanism);
    rows.scale = static_cast<float>(s.softmax_scale);
    rows.p_dtype = s.dtype_q;
    rows.lse = strided(t[Role::lse]);
    return rows;
  }

  /// Queries before the first position have no row of scores: rows of no columns say that they see nothing.
  void unseeing_lse(const Tensors& t, std::int64_t shift, cudaStream_t stream) const {
    if (shift >= 0 || !t[Role::lse]) return;
    auto rows = rows_for(t, workspace_.at<float>(scores_), 0, 0);
    rows.rows = static_cast<std::int32_t>(-shift);
    rows.first_position = static_cast<std::int32_t>(shift);
    check(launch_softmax_rows(rows, stream), "softmax_rows (rows that see nothing)");
  }

  void attend_globals(const Tensors& t, const Blocks& blocks, std::int64_t keys, cudaStream_t stream) {
    const auto& s = problem_.shape;
    const auto first = std::max<std::int64_t>(s.seqlen_q - keys, 0);  // the first query that sees a key
    const auto count = blocks.dense_queries;
    const auto stride = padded(keys);
    auto* scores = workspace_.at<float>(dense_);
    const auto kv_heads = problem_.mechanism.num_kv_heads;
    const auto group = s.num_q_heads / kv_heads;
    const auto for_heads = [&](auto&& body) {
      for (std::int64_t b = 0; b < s.batch; ++b) {
        for (std::int64_t g = 0; g < group; ++g) body(b, g, b * s.num_q_heads + g);
      }
    };
    Product product{count, keys, s.head_dim_qk, kv_heads};
    product.in = s.dtype_q;
    product.a = rows_of(t[Role::q]);
    product.a.batch_stride *= group;
    product.b = rows_of(t[Role::k], true);
    product.c = {stride, group * count * stride, false};
    for_heads([&](std::int64_t b, std::int64_t g, std::int64_t item) {
      matmul_.run(product, t[Role::q].row_bytes(b, g, first), t[Role::k].row_bytes(b, 0, 0),
                  scores + item * count * stride, stream);
    });
    auto rows = rows_for(t, scores, stride, keys);
    rows.rows = static_cast<std::int32_t>(count);
    rows.columns = static_cast<std::int32_t>(keys);
    rows.first_position = static_cast<std::int32_t>(first + keys - s.seqlen_q);
    rows.first_query = static_cast<std::int32_t>(first);
    check(launch_softmax_rows(rows, stream), "softmax_rows (global queries)");
    Product values{count, s.head_dim_v, keys, kv_heads};
    values.in = s.dtype_q;
    values.out = s.dtype_o;
    const auto p = p_stride(stride, s.dtype_q);
    values.a = {p, group * count * p, false};
    values.b = rows_of(t[Role::v]);
    values.c = rows_of(t[Role::o]);
    values.c.batch_stride *= group;
    for_heads([&](std::int64_t b, std::int64_t g, std::int64_t item) {
      matmul_.run(values, scores + item * count * stride, t[Role::v].row_bytes(b, 0, 0),
                  t[Role::o].row_bytes(b, g, first), stream);
    });
  }

  Matmul matmul_;
  std::int64_t q_ = 0, k_ = 0, v_ = 0, scores_ = 0, sums_ = 0, dense_ = 0;
};

class Batched final : public UnfusedKernel<BatchedExecution> {
 public:
  std::string_view kernel() const override { return "batched"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::block_sparse}; }
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const Blocks blocks(problem, s.seqlen_kv);
    const auto pairs = blocks.rows() * (blocks.size + blocks.globals) + blocks.dense_queries * s.seqlen_kv;
    return 2.0 * static_cast<double>(s.batch * s.num_q_heads * pairs) *
           static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_batched) {
  static const attnbench::cuda::Batched kernel;
  return kernel;
}
