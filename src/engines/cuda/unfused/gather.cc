/// Sliding windows as the published study executes them: the keys and values of every query's window are
/// copied side by side, then each query is a product with its own copy. Window places outside the sequence
/// hold zeros and are masked. A window of more places than there are keys is the whole sequence, for every
/// query.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/common.h"

namespace attnbench::cuda {
namespace {

struct Window {
  Window(const Mechanism& m, std::int64_t keys)
      : left(std::min(m.causal_bottom_right ? m.window - 1 : m.window / 2, keys)) {
    const auto right = m.causal_bottom_right ? 0 : std::min(m.window / 2, keys);
    whole = left + 1 + right > keys;
    places = whole ? keys : left + 1 + right;
  }
  std::int64_t left, places = 0;
  bool whole = false;
};

class GatherExecution final : public CudaExecution {
 public:
  GatherExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device), matmul_(workspace_) {
    const auto& s = problem.shape;
    const auto rows = s.batch * s.num_q_heads * s.seqlen_q;
    const auto places = Window(problem.mechanism, s.seqlen_kv).places;
    k_ = workspace_.reserve(rows * places * s.head_dim_qk * size_bytes(s.dtype_kv));
    v_ = workspace_.reserve(rows * places * s.head_dim_v * size_bytes(s.dtype_kv));
    scores_ = workspace_.reserve(rows * padded(places) * size_bytes(DType::f32));
  }

 protected:
  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& s = problem_.shape;
    const auto keys = t[Role::k].sizes[2];
    const Window window(problem_.mechanism, keys);
    const auto stride = padded(window.places);
    const auto first = keys - s.seqlen_q;
    auto* scores = workspace_.at<float>(scores_);
    const auto gather = [&](const TensorView& from, std::int64_t part) {
      RowMap map;
      map.rows = static_cast<std::int32_t>(s.seqlen_q * window.places);
      map.batch = static_cast<std::int32_t>(s.batch);
      map.heads = static_cast<std::int32_t>(s.num_q_heads);
      map.group = static_cast<std::int32_t>(s.num_q_heads / from.sizes[1]);
      map.places = static_cast<std::int32_t>(window.places);
      map.step = static_cast<std::int32_t>(window.whole ? 0 : 1);
      map.offset = static_cast<std::int32_t>(window.whole ? 0 : first - window.left);
      check(launch_copy_rows(strided(from), map, workspace_.at<void>(part), false, from.dtype, stream),
            "copy_rows (gathering windows)");
    };
    gather(t[Role::k], k_);
    gather(t[Role::v], v_);

    // Query i of all heads of a batch entry is not at one distance: a product for each head, or for all where
    // dense.
    const auto& q = t[Role::q];
    const auto& o = t[Role::o];
    const bool dense = is_dense(q, Layout::bhsd) && is_dense(o, Layout::bhsd);
    const auto heads = s.batch * s.num_q_heads;
    const auto parts = dense ? 1 : heads;
    const auto rows = s.seqlen_q * (dense ? heads : 1);
    const auto for_parts = [&](auto&& body) {
      for (std::int64_t n = 0; n < parts; ++n) body(n / s.num_q_heads, n % s.num_q_heads, n * s.seqlen_q);
    };
    Product product{1, window.places, s.head_dim_qk, rows};
    product.in = s.dtype_q;
    product.a = {q.strides[2], q.strides[2], false};
    product.b = dense_rows(s.head_dim_qk, window.places, true);
    product.c = {stride, stride, false};
    for_parts([&](std::int64_t b, std::int64_t h, std::int64_t row) {
      matmul_.run(product, q.row_bytes(b, h, 0), windows(k_, row, window.places, s.head_dim_qk),
                  scores + row * stride, stream);
    });

    SoftmaxRows softmax;
    softmax.scores = scores;
    softmax.row_stride = stride;
    softmax.batch = static_cast<std::int32_t>(s.batch);
    softmax.heads = static_cast<std::int32_t>(s.num_q_heads);
    softmax.rows = static_cast<std::int32_t>(s.seqlen_q);
    softmax.columns = static_cast<std::int32_t>(window.places);
    softmax.keys = static_cast<std::int32_t>(keys);
    softmax.first_position = static_cast<std::int32_t>(first);
    softmax.kind = Columns::window;
    softmax.places_left = window.whole ? -1 : static_cast<std::int32_t>(window.left);
    softmax.mask = mask_of(problem_.mechanism);
    softmax.scale = static_cast<float>(s.softmax_scale);
    softmax.p_dtype = s.dtype_q;
    softmax.lse = strided(t[Role::lse]);
    check(launch_softmax_rows(softmax, stream), "softmax_rows");

    Product values{1, s.head_dim_v, window.places, rows};
    values.in = s.dtype_q;
    values.out = s.dtype_o;
    values.a = {p_stride(stride, s.dtype_q), p_stride(stride, s.dtype_q), false};
    values.b = dense_rows(s.head_dim_v, window.places);
    values.c = {o.strides[2], o.strides[2], false};
    for_parts([&](std::int64_t b, std::int64_t h, std::int64_t row) {
      matmul_.run(values, scores + row * stride, windows(v_, row, window.places, s.head_dim_v),
                  o.row_bytes(b, h, 0), stream);
    });
  }

 private:
  const void* windows(std::int64_t part, std::int64_t row, std::int64_t places, std::int64_t head_dim) const {
    return workspace_.at<std::byte>(part) + row * places * head_dim * size_bytes(problem_.shape.dtype_kv);
  }

  Matmul matmul_;
  std::int64_t k_ = 0, v_ = 0, scores_ = 0;
};

class Gather final : public UnfusedKernel<GatherExecution> {
 public:
  std::string_view kernel() const override { return "gather"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::swa}; }
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto pairs = s.batch * s.num_q_heads * s.seqlen_q * Window(problem.mechanism, s.seqlen_kv).places;
    return 2.0 * static_cast<double>(pairs) * static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_gather) {
  static const attnbench::cuda::Gather kernel;
  return kernel;
}
