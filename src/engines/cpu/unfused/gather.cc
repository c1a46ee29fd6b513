/// Sliding windows as the published study executes them: the keys and values of every query's window are
/// copied side by side, then each query is a product with its own copy. Window places outside the sequence
/// hold zeros and are masked. A window of more places than there are keys is the whole sequence, for every
/// query. The copies are N x window x head_dim for each thread's head.
#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/register_kernel.h"
#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {
namespace {

/// The places of a query's window, each a key or, before the first and behind the last one, none.
class Window {
 public:
  Window(const Mechanism& m, std::int64_t keys)
      : left_(std::min(m.causal_bottom_right ? m.window - 1 : m.window / 2, keys)) {
    const auto right = m.causal_bottom_right ? 0 : std::min(m.window / 2, keys);
    whole_ = left_ + 1 + right > keys;
    places = whole_ ? keys : left_ + 1 + right;
  }
  /// Key of the first place, for a query at `position`.
  std::int64_t start(std::int64_t position) const { return whole_ ? 0 : position - left_; }

  std::int64_t places;

 private:
  std::int64_t left_;
  bool whole_;
};

MatmulShape scores_shape(const Shape& s, const Window& window, std::int64_t rows, std::int64_t score_stride) {
  const auto q_stride = dense_row_stride(s.layout, s.num_q_heads, s.head_dim_qk);
  return {.m = 1,
          .n = window.places,
          .k = s.head_dim_qk,
          .a = {s.dtype_q, q_stride, 1, q_stride},
          .b = {s.dtype_kv, 1, s.head_dim_qk, window.places * s.head_dim_qk},
          .c = {DType::f32, score_stride, 1, score_stride},
          .batch = rows};
}

MatmulShape values_shape(const Shape& s, const Window& window, std::int64_t rows, std::int64_t score_stride) {
  auto p = probabilities(s.dtype_q, score_stride);
  p.batch_stride = p.row_stride;
  const auto o_stride = dense_row_stride(s.layout, s.num_q_heads, s.head_dim_v);
  return {.m = 1,
          .n = s.head_dim_v,
          .k = window.places,
          .a = p,
          .b = {s.dtype_kv, s.head_dim_v, 1, window.places * s.head_dim_v},
          .c = {s.dtype_o, o_stride, 1, o_stride},
          .batch = rows};
}

class GatherExecution final : public PlannedExecution {
 public:
  GatherExecution(const Problem& problem, const CpuDevice& device)
      : problem_(problem),
        window_(problem.mechanism, problem.shape.seqlen_kv),
        threads_(device.threads),
        slices_(
            slice_rows(problem.shape.batch * problem.shape.num_q_heads, problem.shape.seqlen_q, threads_)),
        score_stride_(padded_row(window_.places)),
        scores_(scores_shape(problem.shape, window_, slices_.rows, score_stride_), Matmul::Threading::caller,
                threads_, workspace_),
        values_(values_shape(problem.shape, window_, slices_.rows, score_stride_), Matmul::Threading::caller,
                threads_, workspace_),
        score_rows_(workspace_, threads_, slices_.rows * score_stride_ * size_bytes(DType::f32)),
        windows_k_(workspace_, threads_, windows_bytes(problem.shape.head_dim_qk)),
        windows_v_(workspace_, threads_, windows_bytes(problem.shape.head_dim_v)) {}

  void call(const Tensors& t) override {
    const auto& s = problem_.shape;
    parallel_for(threads_, s.batch * s.num_q_heads * slices_.count,
                 [&](std::int64_t begin, std::int64_t end, int thread) {
                   for (auto item = begin; item < end; ++item) attend(t, item, thread);
                 });
  }

 private:
  std::int64_t windows_bytes(std::int64_t head_dim) const {
    return slices_.rows * window_.places * head_dim * size_bytes(problem_.shape.dtype_kv);
  }

  /// The window around each of `rows` positions, the first at `position`: rows x places x head_dim.
  static void gather(const TensorView& from, const Window& window, std::int64_t batch, std::int64_t head,
                     std::int64_t position, std::int64_t rows, char* windows) {
    const auto row_bytes = from.sizes[3] * size_bytes(from.dtype);
    const auto copy = [](char* to, const void* source, std::int64_t bytes) {
      std::memcpy(to, source, static_cast<std::size_t>(bytes));
    };
    const auto clear = [](char* to, std::int64_t bytes) {
      std::memset(to, 0, static_cast<std::size_t>(bytes));
    };
    for (std::int64_t r = 0; r < rows; ++r, windows += window.places * row_bytes) {
      const auto start = window.start(position + r);
      const auto end = start + window.places;
      const auto first = std::clamp<std::int64_t>(start, 0, from.sizes[2]);
      const auto last = std::clamp<std::int64_t>(end, first, from.sizes[2]);
      clear(windows, (std::min(first, end) - start) * row_bytes);
      auto* inside = windows + (first - start) * row_bytes;
      if (last > first && from.rows_are_contiguous()) {
        copy(inside, row_of(from, batch, head, first), (last - first) * row_bytes);
      } else {
        for (auto j = first; j < last; ++j) {
          copy(inside + (j - first) * row_bytes, row_of(from, batch, head, j), row_bytes);
        }
      }
      if (last < end) clear(windows + (last - start) * row_bytes, (end - last) * row_bytes);
    }
  }

  void attend(const Tensors& t, std::int64_t item, int thread) {
    const auto& s = problem_.shape;
    const auto keys = t[Role::k].sizes[2];
    const auto head = item / slices_.count % s.num_q_heads;
    const auto batch = item / slices_.count / s.num_q_heads;
    const auto first = slices_.begin(item % slices_.count);
    const auto rows = std::min(slices_.rows, s.seqlen_q - first);
    const auto kv_head = head / (s.num_q_heads / problem_.mechanism.num_kv_heads);
    const auto position = first + keys - s.seqlen_q;
    const Window window(problem_.mechanism, keys);
    auto* windows_k = windows_k_.at<char>(workspace_, thread);
    auto* windows_v = windows_v_.at<char>(workspace_, thread);
    auto* scores = score_rows_.at<float>(workspace_, thread);
    gather(t[Role::k], window, batch, kv_head, position, rows, windows_k);
    gather(t[Role::v], window, batch, kv_head, position, rows, windows_v);

    auto product = scores_.shape();
    product.batch = rows;
    product.n = window.places;
    product.b.batch_stride = window.places * s.head_dim_qk;
    product.a.batch_stride = product.a.row_stride = row_stride(t[Role::q], product.a.row_stride);
    scores_.run(thread, product, row_of(t[Role::q], batch, head, first), windows_k, scores);

    const ScoreRows score_rows{scores, rows, window.places, score_stride_};
    const auto scale = make_scale_positive(score_rows, s.softmax_scale);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto allowed = allowed_keys(problem_.mechanism, position + r, keys).local;
      const auto start = window.start(position + r);
      float* row = scores + r * score_stride_;
      fill(row, 0, allowed.size() == 0 ? window.places : allowed.begin - start, kMaskedScore);
      fill(row, allowed.end - start, window.places, kMaskedScore);
    }
    softmax_rows(score_rows, scale, operand_type(s.dtype_q), lse_from(t[Role::lse], batch, head, first));

    product = values_.shape();
    product.batch = rows;
    product.k = window.places;
    product.b.batch_stride = window.places * s.head_dim_v;
    product.c.batch_stride = product.c.row_stride = row_stride(t[Role::o], product.c.row_stride);
    values_.run(thread, product, scores, windows_v, row_of(t[Role::o], batch, head, first));
  }

  Problem problem_;
  Window window_;
  int threads_;
  RowSlices slices_;
  std::int64_t score_stride_;
  Matmul scores_, values_;
  ThreadParts score_rows_, windows_k_, windows_v_;
};

class Gather final : public UnfusedKernel<GatherExecution> {
 public:
  std::string_view kernel() const override { return "gather"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::swa}; }

 protected:
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto pairs = s.batch * s.num_q_heads * s.seqlen_q * Window(problem.mechanism, s.seqlen_kv).places;
    return 2.0 * static_cast<double>(pairs) * static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
  std::optional<double> core_moved_bytes(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto places = s.batch * s.num_q_heads * s.seqlen_q * Window(problem.mechanism, s.seqlen_kv).places;
    const auto copied = static_cast<double>(places);
    return unfused_moved_bytes(s, copied, 3 * copied);  // keys are read, written to windows and read
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_gather) {
  static const attnbench::cpu::Gather kernel;
  return kernel;
}
