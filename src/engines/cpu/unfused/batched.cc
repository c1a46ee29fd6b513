/// Block-sparse attention as the published study executes it, a batch of small products for the diagonal
/// blocks plus the part of the global tokens, but under one softmax over the union. A row of scores holds the
/// keys of the query's own block, then the global keys. Global queries are dense rows, computed last, over
/// whatever the batch of blocks left in theirs.
#include <optional>

#include "core/parallel.h"
#include "core/register_kernel.h"
#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {
namespace {

/// Sizes, cut to the keys there are.
struct Blocks {
  Blocks(const Problem& p, int threads)
      : size(std::min(p.mechanism.block_size, p.shape.seqlen_kv)),
        globals(std::min(p.mechanism.globals, p.shape.seqlen_kv)),
        slices(
            slice_rows(p.shape.batch * p.shape.num_q_heads, (p.shape.seqlen_q + size - 1) / size, threads)) {
    slices.rows = std::min(slices.rows * size, p.shape.seqlen_q);
  }
  std::int64_t size;
  std::int64_t globals;
  RowSlices slices;  ///< of whole blocks, where queries and keys are as many
};

/// Queries of one block, or of `count` whole blocks with all their keys.
struct Run {
  std::int64_t position, start;  ///< of the first query; of its block
  std::int64_t queries, keys;    ///< a block
  std::int64_t count;
};

template <typename Body>
void for_each_run(std::int64_t begin, std::int64_t end, std::int64_t size, std::int64_t keys, Body&& body) {
  for (auto position = begin; position < end;) {
    const auto start = position / size * size;
    Run run{position, start, std::min(end, start + size) - position, std::min(keys, start + size) - start, 1};
    if (run.queries == size && run.keys == size) run.count = std::min(end - start, keys - start) / size;
    body(run);
    position += run.queries * run.count;
  }
}

class BatchedExecution final : public PlannedExecution {
 public:
  BatchedExecution(const Problem& problem, const CpuDevice& device)
      : problem_(problem),
        threads_(device.threads),
        blocks_(problem, threads_),
        scores_{DType::f32, padded_row(blocks_.size + blocks_.globals)},
        score_rows_(workspace_, threads_, blocks_.slices.rows * scores_.row_stride * size_bytes(DType::f32)) {
    const auto& s = problem.shape;
    const auto kv_heads = problem.mechanism.num_kv_heads;
    const MatrixLayout q{s.dtype_q, dense_row_stride(s.layout, s.num_q_heads, s.head_dim_qk)};
    const MatrixLayout k{s.dtype_kv, 1, dense_row_stride(s.layout, kv_heads, s.head_dim_qk)};
    const MatrixLayout v{s.dtype_kv, dense_row_stride(s.layout, kv_heads, s.head_dim_v)};
    const MatrixLayout o{s.dtype_o, dense_row_stride(s.layout, s.num_q_heads, s.head_dim_v)};
    const auto p = probabilities(s.dtype_q, scores_.row_stride);
    const MatrixLayout sums{DType::f32, sums_in_place() ? o.row_stride : s.head_dim_v};
    const auto product = [&](std::optional<Matmul>& matmul, const MatmulShape& shape,
                             Matmul::Result result = Matmul::Result::overwrite) {
      matmul.emplace(shape, Matmul::Threading::caller, threads_, workspace_, result);
    };
    const auto size = blocks_.size;
    const auto rows = blocks_.slices.rows;
    const auto count = std::max<std::int64_t>(rows / size, 1);
    product(block_scores_, {size, size, s.head_dim_qk, stepped(q), stepped(k), stepped(scores_), count});
    product(block_values_, {size, s.head_dim_v, size, stepped(p), stepped(v), stepped(sums), count});
    if (!sums_in_place())
      sums_ = ThreadParts(workspace_, threads_, rows * s.head_dim_v * size_bytes(DType::f32));
    if (blocks_.globals == 0) return;

    product(global_scores_, {rows, blocks_.globals, s.head_dim_qk, q, k, scores_});
    product(global_values_, {rows, s.head_dim_v, blocks_.globals, p, v, sums}, Matmul::Result::accumulate);
    const auto dense_rows = std::min(blocks_.globals, rows);
    const MatrixLayout dense{DType::f32, padded_row(s.seqlen_kv)};
    const auto dense_p = probabilities(s.dtype_q, dense.row_stride);
    product(dense_scores_, {dense_rows, s.seqlen_kv, s.head_dim_qk, q, k, dense});
    product(dense_values_, {dense_rows, s.head_dim_v, s.seqlen_kv, dense_p, v, o});
    dense_rows_ = ThreadParts(workspace_, threads_, dense_rows * dense.row_stride * size_bytes(DType::f32));
  }

  void call(const Tensors& t) override {
    const auto& s = problem_.shape;
    parallel_for(threads_, s.batch * s.num_q_heads * blocks_.slices.count,
                 [&](std::int64_t begin, std::int64_t end, int thread) {
                   for (auto item = begin; item < end; ++item) attend(t, item, thread);
                 });
  }

 private:
  /// One slice of one head: queries [first, last), of which those before `first` + keys see none.
  struct Slice {
    std::int64_t batch, head, kv_head, keys;
    std::int64_t first, last;  ///< queries that see keys
    std::int64_t shift;        ///< position of a query less its number
    int thread;
  };

  bool sums_in_place() const { return problem_.shape.dtype_o == DType::f32; }
  /// Batch entries one block of rows (or of keys, the columns of K^T) apart.
  MatrixLayout stepped(MatrixLayout layout) const {
    layout.batch_stride = blocks_.size * (layout.col_stride == 1 ? layout.row_stride : layout.col_stride);
    return layout;
  }

  void attend(const Tensors& t, std::int64_t item, int thread) {
    const auto& s = problem_.shape;
    const auto& slices = blocks_.slices;
    const auto head = item / slices.count % s.num_q_heads;
    const auto batch = item / slices.count / s.num_q_heads;
    const auto keys = t[Role::k].sizes[2];
    const auto begin = slices.begin(item % slices.count);
    const auto end = std::min(begin + slices.rows, s.seqlen_q);
    const auto shift = keys - s.seqlen_q;
    const auto first = std::clamp(-shift, begin, end);
    for (auto i = begin; i < first; ++i) clear_row(t, batch, head, i);
    if (first == end) return;
    const Slice slice{batch, head,  head / (s.num_q_heads / problem_.mechanism.num_kv_heads),
                      keys,  first, end,
                      shift, thread};
    if (end - 1 + shift >= blocks_.globals) attend_blocks(t, slice);
    if (first + shift < blocks_.globals) attend_globals(t, slice);
  }

  void clear_row(const Tensors& t, std::int64_t batch, std::int64_t head, std::int64_t query) const {
    const auto bytes = problem_.shape.head_dim_v * size_bytes(problem_.shape.dtype_o);
    std::fill_n(static_cast<char*>(row_of(t[Role::o], batch, head, query)), bytes, char{0});
    if (t[Role::lse]) *t[Role::lse].row<float>(batch, head, query) = kMaskedScore;
  }

  void attend_blocks(const Tensors& t, const Slice& at) {
    const auto& s = problem_.shape;
    const auto rows = at.last - at.first;
    auto* scores = score_rows_.at<float>(workspace_, at.thread);
    const auto for_blocks = [&](auto&& body) {
      for_each_run(at.first + at.shift, at.last + at.shift, blocks_.size, at.keys, body);
    };
    for_blocks([&](const Run& run) {
      auto product = block_scores_->shape();
      product.m = run.queries, product.n = run.keys, product.batch = run.count;
      product.a = with_stride(product.a, t[Role::q]);
      product.b = with_stride(product.b, t[Role::k]);
      const auto query = run.position - at.shift;
      block_scores_->run(at.thread, product, row_of(t[Role::q], at.batch, at.head, query),
                         row_of(t[Role::k], at.batch, at.kv_head, run.start),
                         scores + (query - at.first) * scores_.row_stride);
    });
    if (blocks_.globals > 0) {
      auto product = global_scores_->shape();
      product.m = rows;
      product.a = with_stride(product.a, t[Role::q]);
      product.b = with_stride(product.b, t[Role::k]);
      global_scores_->run(at.thread, product, row_of(t[Role::q], at.batch, at.head, at.first),
                          row_of(t[Role::k], at.batch, at.kv_head, 0), scores + blocks_.size);
    }

    const ScoreRows score_rows{scores, rows, blocks_.size + blocks_.globals, scores_.row_stride};
    const auto scale = make_scale_positive(score_rows, s.softmax_scale);
    for (std::int64_t r = 0; r < rows; ++r)
      mask(scores + r * scores_.row_stride, at.first + at.shift + r, at.keys);
    softmax_rows(score_rows, scale, operand_type(s.dtype_q),
                 lse_from(t[Role::lse], at.batch, at.head, at.first));

    auto sums = t[Role::o];
    if (!sums_in_place()) {
      sums = dense_view(sums_.at<float>(workspace_, at.thread), DType::f32, Layout::bhsd, 1, 1, rows,
                        s.head_dim_v);
    }
    const auto sum_row = [&](std::int64_t query) {
      return sums_in_place() ? row_of(sums, at.batch, at.head, query) : row_of(sums, 0, 0, query - at.first);
    };
    const auto* p = reinterpret_cast<const char*>(scores);
    for_blocks([&](const Run& run) {
      auto product = block_values_->shape();
      product.m = run.queries, product.k = run.keys, product.batch = run.count;
      product.b = with_stride(product.b, t[Role::v]);
      product.c = with_stride(product.c, sums);
      const auto query = run.position - at.shift;
      block_values_->run(at.thread, product,
                         p + (query - at.first) * scores_.row_stride * size_bytes(DType::f32),
                         row_of(t[Role::v], at.batch, at.kv_head, run.start), sum_row(query));
    });
    if (blocks_.globals > 0) {
      auto product = global_values_->shape();
      product.m = rows;
      product.b = with_stride(product.b, t[Role::v]);
      product.c = with_stride(product.c, sums);
      global_values_->run(at.thread, product, p + blocks_.size * size_bytes(operand_type(s.dtype_q)),
                          row_of(t[Role::v], at.batch, at.kv_head, 0), sum_row(at.first));
    }
    if (sums_in_place()) return;
    for (auto i = at.first; i < at.last; ++i) {
      divide(static_cast<const float*>(sum_row(i)), 1, row_of(t[Role::o], at.batch, at.head, i), s.head_dim_v,
             s.dtype_o);
    }
  }

  void mask(float* row, std::int64_t position, std::int64_t keys) const {
    const auto cols = blocks_.size + blocks_.globals;
    if (position < blocks_.globals) {  // computed by attend_globals()
      fill(row, 0, cols, kMaskedScore);
      return;
    }
    const auto allowed = allowed_keys(problem_.mechanism, position, keys);
    const auto start = position / blocks_.size * blocks_.size;
    fill(row, 0, allowed.local.begin - start, kMaskedScore);
    fill(row, allowed.local.end - start, blocks_.size, kMaskedScore);
    fill(row, blocks_.size + allowed.globals.end, cols, kMaskedScore);
  }

  void attend_globals(const Tensors& t, const Slice& at) {
    const auto& s = problem_.shape;
    const auto rows = std::min(at.last, blocks_.globals - at.shift) - at.first;
    auto* scores = dense_rows_.at<float>(workspace_, at.thread);
    auto product = dense_scores_->shape();
    const auto stride = product.c.row_stride;
    product.m = rows, product.n = at.keys;
    product.a = with_stride(product.a, t[Role::q]);
    product.b = with_stride(product.b, t[Role::k]);
    dense_scores_->run(at.thread, product, row_of(t[Role::q], at.batch, at.head, at.first),
                       row_of(t[Role::k], at.batch, at.kv_head, 0), scores);
    const ScoreRows score_rows{scores, rows, at.keys, stride};
    const auto scale = make_scale_positive(score_rows, s.softmax_scale);
    for (std::int64_t r = 0; problem_.mechanism.is_causal() && r < rows; ++r) {
      fill(scores + r * stride, at.first + at.shift + r + 1, at.keys, kMaskedScore);
    }
    softmax_rows(score_rows, scale, operand_type(s.dtype_q),
                 lse_from(t[Role::lse], at.batch, at.head, at.first));
    product = dense_values_->shape();
    product.m = rows, product.k = at.keys;
    product.b = with_stride(product.b, t[Role::v]);
    product.c = with_stride(product.c, t[Role::o]);
    dense_values_->run(at.thread, product, scores, row_of(t[Role::v], at.batch, at.kv_head, 0),
                       row_of(t[Role::o], at.batch, at.head, at.first));
  }

  /// The layout with the view's row stride in place of the prepared one.
  MatrixLayout with_stride(MatrixLayout layout, const TensorView& view) const {
    auto& stride = layout.col_stride == 1 ? layout.row_stride : layout.col_stride;
    stride = row_stride(view, stride);
    if (layout.batch_stride != 0) layout.batch_stride = blocks_.size * stride;
    return layout;
  }

  Problem problem_;
  int threads_;
  Blocks blocks_;
  MatrixLayout scores_;
  ThreadParts score_rows_, dense_rows_, sums_;
  std::optional<Matmul> block_scores_, block_values_, global_scores_, global_values_, dense_scores_,
      dense_values_;
};

class Batched final : public UnfusedKernel<BatchedExecution> {
 public:
  std::string_view kernel() const override { return "batched"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::block_sparse}; }

 protected:
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const Blocks blocks(problem, 1);
    const auto shift = s.seqlen_kv - s.seqlen_q;
    std::int64_t pairs = 0;
    if (s.seqlen_kv > blocks.globals) {
      for_each_run(std::max<std::int64_t>(shift, 0), s.seqlen_kv, blocks.size, s.seqlen_kv,
                   [&](const Run& run) { pairs += run.count * run.queries * (run.keys + blocks.globals); });
    }
    pairs += std::clamp<std::int64_t>(blocks.globals - std::max<std::int64_t>(shift, 0), 0, s.seqlen_q) *
             s.seqlen_kv;
    return 2.0 * static_cast<double>(s.batch * s.num_q_heads * pairs) *
           static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_batched) {
  static const attnbench::cpu::Batched kernel;
  return kernel;
}
