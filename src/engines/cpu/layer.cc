#include "engines/cpu/layer.h"

#include <utility>

#include "engines/cpu/matmul.h"
#include "engines/cpu/workspace.h"

namespace attnbench::cpu {
namespace {

/// The projected tensors and the four products.
struct Projections {
  Projections(const Problem& layer, const CpuDevice& device)
      : s(layer.shape),
        kv_heads(layer.mechanism.num_kv_heads),
        in_f32(!matmul_support(s.dtype_q, device)),
        to_q(product(device, s.d_model, s.num_q_heads * s.head_dim_qk)),
        to_k(product(device, s.d_model, kv_heads * s.head_dim_qk)),
        to_v(product(device, s.d_model, kv_heads * s.head_dim_v)),
        to_o(product(device, s.num_q_heads * s.head_dim_v, s.d_model)),
        q(reserve(s.num_q_heads * s.head_dim_qk)),
        k(reserve(kv_heads * s.head_dim_qk)),
        v(reserve(kv_heads * s.head_dim_v)),
        merged(reserve(s.num_q_heads * s.head_dim_v)) {}

  Matmul product(const CpuDevice& device, std::int64_t inputs, std::int64_t outputs) {
    const MatmulShape shape{.m = s.batch * s.seqlen_q,
                            .n = outputs,
                            .k = inputs,
                            .a = {s.dtype_q, inputs},
                            .b = {s.dtype_q, outputs},
                            .c = {s.dtype_q, outputs},
                            .in_f32 = in_f32};
    return {shape, Matmul::Threading::team, device.threads, workspace};
  }

  std::int64_t reserve(std::int64_t width) {
    return workspace.reserve(s.batch * s.seqlen_q * width * size_bytes(s.dtype_q));
  }

  /// from (rows of x's or of merged's width) times weights, as one product over the batch where rows follow
  /// each other evenly, else one a batch entry.
  void project(Matmul& product, const TensorView& from, const TensorView& weights,
               const TensorView& to) const {
    auto shape = product.shape();
    shape.a.row_stride = row_stride(from, shape.a.row_stride);
    shape.b.row_stride = row_stride(weights, shape.b.row_stride);
    shape.c.row_stride = row_stride(to, shape.c.row_stride);
    const auto follows = [&](const TensorView& view, const MatrixLayout& matrix) {
      return s.batch == 1 || view.strides[0] == s.seqlen_q * matrix.row_stride;
    };
    if (follows(from, shape.a) && follows(to, shape.c)) {
      product.run(0, shape, from.data, weights.data, to.data);
      return;
    }
    shape.m = s.seqlen_q;
    const auto bytes = size_bytes(s.dtype_q);
    for (std::int64_t b = 0; b < s.batch; ++b) {
      product.run(0, shape, from.row<char>(0, 0, 0) + b * from.strides[0] * bytes, weights.data,
                  to.row<char>(0, 0, 0) + b * to.strides[0] * bytes);
    }
  }

  TensorView split(std::int64_t part, std::int64_t heads, std::int64_t head_dim) const {
    return dense_view(workspace.at<void*>(part), s.dtype_q, Layout::bshd, s.batch, heads, s.seqlen_q,
                      head_dim);
  }
  /// The same memory as rows of all heads.
  TensorView rows(std::int64_t part, std::int64_t width) const { return split(part, 1, width); }

  Shape s;
  std::int64_t kv_heads;
  bool in_f32;  ///< on converted operands, where this CPU has no products of the type
  Workspace workspace;
  Matmul to_q, to_k, to_v, to_o;
  std::int64_t q, k, v, merged;
};

class Layer final : public HostExecution {
 public:
  Layer(const Problem& layer, const CpuDevice& device, std::unique_ptr<HostExecution> core)
      : p_(layer, device), core_(std::move(core)) {
    p_.workspace.allocate();
  }

  void call(const Tensors& t) override {
    const auto& s = p_.s;
    const auto merged = p_.rows(p_.merged, s.num_q_heads * s.head_dim_v);
    p_.project(p_.to_q, t[Role::x], t[Role::wq], p_.rows(p_.q, s.num_q_heads * s.head_dim_qk));
    p_.project(p_.to_k, t[Role::x], t[Role::wk], p_.rows(p_.k, p_.kv_heads * s.head_dim_qk));
    p_.project(p_.to_v, t[Role::x], t[Role::wv], p_.rows(p_.v, p_.kv_heads * s.head_dim_v));
    Tensors heads;
    heads[Role::q] = p_.split(p_.q, s.num_q_heads, s.head_dim_qk);
    heads[Role::k] = p_.split(p_.k, p_.kv_heads, s.head_dim_qk);
    heads[Role::v] = p_.split(p_.v, p_.kv_heads, s.head_dim_v);
    heads[Role::o] = p_.split(p_.merged, s.num_q_heads, s.head_dim_v);
    heads[Role::lse] = t[Role::lse];
    core_->call(heads);
    p_.project(p_.to_o, merged, t[Role::wo], t[Role::o]);
  }

  std::int64_t workspace_bytes() const override { return p_.workspace.bytes() + core_->workspace_bytes(); }

 private:
  Projections p_;
  std::unique_ptr<HostExecution> core_;
};

}  // namespace

Support layer_support(const Problem& layer, const CpuDevice& device) {
  const auto& s = layer.shape;
  if (layer.phase != Phase::prefill) return Support::no("layer scope covers prefill only");
  if (s.dtype_kv != s.dtype_q || s.dtype_o != s.dtype_q) {
    return Support::no("layer scope needs one element type for q, k, v and the output");
  }
  return matmul_support(DType::f32, device);
}

std::unique_ptr<HostExecution> prepare_layer(const Problem& layer, const CpuDevice& device,
                                             std::unique_ptr<HostExecution> core) {
  return std::make_unique<Layer>(layer, device, std::move(core));
}

std::int64_t layer_workspace_bytes(const Problem& layer, const CpuDevice& device) {
  return Projections(layer, device).workspace.bytes();
}

}  // namespace attnbench::cpu
