/// mha, gqa and mqa in a type of two bytes by products in f32: q, k and v are converted to f32 once a call,
/// attention is that of `unfused` in f32 (K and V repeated, P kept in f32), and its result is converted back.
/// The conversions are part of the call. It is what is left of `unfused` where a CPU has no products of the
/// type.
#include "core/parallel.h"
#include "core/register_kernel.h"
#include "engines/cpu/unfused/dense.h"

namespace attnbench::cpu {
namespace {

Problem in_f32(Problem problem) {
  auto& s = problem.shape;
  s.dtype_q = s.dtype_kv = s.dtype_o = DType::f32;
  return problem;
}

/// Elements of q, k, v and o.
double tensor_elements(const Problem& p) {
  const auto& s = p.shape;
  return static_cast<double>(s.batch * (s.head_dim_qk + s.head_dim_v)) *
         static_cast<double>(s.num_q_heads * s.seqlen_q + p.mechanism.num_kv_heads * s.seqlen_kv);
}

class ConvertedAttention final : public HostExecution {
 public:
  ConvertedAttention(const Problem& problem, const CpuDevice& device)
      : s_(problem.shape),
        kv_heads_(problem.mechanism.num_kv_heads),
        threads_(device.threads),
        attention_(in_f32(problem), device, DenseAttention::KvHeads::repeated),
        q_(reserve(s_.num_q_heads * s_.seqlen_q * s_.head_dim_qk)),
        k_(reserve(kv_heads_ * s_.seqlen_kv * s_.head_dim_qk)),
        v_(reserve(kv_heads_ * s_.seqlen_kv * s_.head_dim_v)),
        o_(reserve(s_.num_q_heads * s_.seqlen_q * s_.head_dim_v)) {}

  void allocate() {
    copies_.allocate();
    attention_.allocate();
  }

  void call(const Tensors& t) override {
    auto in = t;
    for (const auto& [role, part] : {std::pair{Role::q, q_}, {Role::k, k_}, {Role::v, v_}}) {
      in[role] = copy_of(t[role], part);
      for_rows(t[role], in[role], [&](const void* from, void* to) {
        widen(from, static_cast<float*>(to), t[role].sizes[3], t[role].dtype);
      });
    }
    in[Role::o] = copy_of(t[Role::o], o_);
    attention_.call(in);
    for_rows(in[Role::o], t[Role::o], [&](const void* from, void* to) {
      divide(static_cast<const float*>(from), 1, to, s_.head_dim_v, s_.dtype_o);
    });
  }

  std::int64_t workspace_bytes() const override { return copies_.bytes() + attention_.workspace_bytes(); }

 private:
  std::int64_t reserve(std::int64_t elements_per_entry) {
    return copies_.reserve(s_.batch * elements_per_entry * size_bytes(DType::f32));
  }
  /// Dense f32 of the view's sizes.
  TensorView copy_of(const TensorView& view, std::int64_t part) const {
    return dense_view(copies_.at<void*>(part), DType::f32, s_.layout, view.sizes[0], view.sizes[1],
                      view.sizes[2], view.sizes[3]);
  }
  template <typename Convert>
  void for_rows(const TensorView& from, const TensorView& to, const Convert& convert) const {
    const auto [batch, heads, positions, dim] = from.sizes;
    parallel_for(threads_, batch * heads * positions, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto row = begin; row < end; ++row) {
        const auto entry = row / positions / heads, head = row / positions % heads, at = row % positions;
        convert(row_of(from, entry, head, at), row_of(to, entry, head, at));
      }
    });
  }

  Shape s_;
  std::int64_t kv_heads_;
  int threads_;
  DenseAttention attention_;
  Workspace copies_;
  std::int64_t q_, k_, v_, o_;
};

class UnfusedF32 final : public UnfusedKernel<ConvertedAttention> {
 public:
  std::string_view kernel() const override { return "unfused_f32"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
  }
  std::string description() const override {
    return "products in f32 on inputs of two bytes, which each call converts, as it does the result back: "
           "the baseline where the CPU has no bf16 products";
  }

 protected:
  Support core_supports(const Problem& problem, const CpuDevice& device) const override {
    if (problem.shape.dtype_q == DType::f32)
      return Support::no("converts types of two bytes to f32; of f32 there is nothing to convert");
    return unfused_support(problem, device, DType::f32);
  }
  double core_flops(const Problem& problem) const override { return dense_flops(problem); }
  std::optional<double> core_moved_bytes(const Problem& problem) const override {
    const auto each = static_cast<double>(size_bytes(problem.shape.dtype_q) + size_bytes(DType::f32));
    return dense_moved_bytes(in_f32(problem), DenseAttention::KvHeads::repeated) +
           each * tensor_elements(problem);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_unfused_f32) {
  static const attnbench::cpu::UnfusedF32 kernel;
  return kernel;
}
