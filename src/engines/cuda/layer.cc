#include "engines/cuda/layer.h"

#include <cstdint>
#include <utility>

#include "engines/cuda/cublaslt.h"
#include "engines/cuda/matmul.h"

namespace attnbench::cuda {
namespace {

class LayerExecution final : public CudaExecution {
 public:
  LayerExecution(const Problem& layer, const Device& device, std::unique_ptr<CudaExecution> core)
      : CudaExecution(layer, device),
        core_(std::move(core)),
        kv_heads_(layer.mechanism.num_kv_heads),
        matmul_(workspace_),
        q_(reserve(layer.shape.num_q_heads * layer.shape.head_dim_qk)),
        k_(reserve(kv_heads_ * layer.shape.head_dim_qk)),
        v_(reserve(kv_heads_ * layer.shape.head_dim_v)),
        merged_(reserve(layer.shape.num_q_heads * layer.shape.head_dim_v)) {}

  void allocate() override {
    CudaExecution::allocate();
    core_->allocate();
  }
  std::int64_t workspace_bytes() const override { return workspace_.bytes() + core_->workspace_bytes(); }
  Implementation implementation() const override { return core_->implementation(); }

  /// The tensors of a layer hold no keys: the core sees as many as X has rows.
  void plan(std::int64_t) override { core_->plan(problem_.shape.seqlen_kv); }

  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& s = problem_.shape;
    const auto q_width = s.num_q_heads * s.head_dim_qk;
    const auto o_width = s.num_q_heads * s.head_dim_v;
    project(t[Role::x].data, s.d_model, t[Role::wq].data, q_width, at(q_), stream);
    project(t[Role::x].data, s.d_model, t[Role::wk].data, kv_heads_ * s.head_dim_qk, at(k_), stream);
    project(t[Role::x].data, s.d_model, t[Role::wv].data, kv_heads_ * s.head_dim_v, at(v_), stream);
    Tensors heads;
    heads[Role::q] = split(q_, s.num_q_heads, s.head_dim_qk);
    heads[Role::k] = split(k_, kv_heads_, s.head_dim_qk);
    heads[Role::v] = split(v_, kv_heads_, s.head_dim_v);
    heads[Role::o] = split(merged_, s.num_q_heads, s.head_dim_v);
    heads[Role::lse] = t[Role::lse];
    core_->enqueue(heads, stream);
    project(at(merged_), o_width, t[Role::wo].data, s.d_model, t[Role::o].data, stream);
  }

 private:
  std::int64_t reserve(std::int64_t width) {
    const auto& s = problem_.shape;
    return workspace_.reserve(s.batch * s.seqlen_q * width * size_bytes(s.dtype_q));
  }
  void* at(std::int64_t part) const { return workspace_.at<void>(part); }
  TensorView split(std::int64_t part, std::int64_t heads, std::int64_t head_dim) const {
    const auto& s = problem_.shape;
    return dense_view(at(part), s.dtype_q, Layout::bshd, s.batch, heads, s.seqlen_q, head_dim);
  }

  /// Dense rows, of all batch entries at once, times weights (inputs, outputs).
  void project(const void* from, std::int64_t inputs, const void* weights, std::int64_t outputs, void* to,
               cudaStream_t stream) {
    const auto& s = problem_.shape;
    Product product{s.batch * s.seqlen_q, outputs, inputs};
    product.in = product.out = s.dtype_q;
    product.a.row_stride = inputs;
    product.b.row_stride = product.c.row_stride = outputs;
    matmul_.run(product, from, weights, to, stream);
  }

  std::unique_ptr<CudaExecution> core_;
  std::int64_t kv_heads_;
  Matmul matmul_;
  std::int64_t q_, k_, v_, merged_;
};

}  // namespace

Support layer_support(const Problem& layer) {
  if (layer.phase != Phase::prefill) return Support::no("layer scope covers prefill only");
  if (const auto& why = cublaslt().why_missing; !why.empty()) return Support::no(why);
  return Support::yes();
}

std::unique_ptr<CudaExecution> make_layer(const Problem& layer, const Device& device,
                                          std::unique_ptr<CudaExecution> core) {
  return std::make_unique<LayerExecution>(layer, device, std::move(core));
}

}  // namespace attnbench::cuda
