#include "engines/mlx/module/execution.h"

#include <mlx/ops.h>
#include <mlx/primitives.h>
#include <mlx/transforms.h>

#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

#include "engines/mlx/module/forms.h"
#include "engines/mlx/module/threads.h"

namespace attnbench::mlx {
namespace {

namespace mx = ::mlx::core;
using mx::array;

mx::Dtype type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return mx::float32;
    case DType::bf16:
      return mx::bfloat16;
    case DType::f16:
      return mx::float16;
  }
  throw std::logic_error("an element type without a name in MLX");
}

/// Sizes in the order of memory.
mx::Shape shape_of(const TensorView& view, Layout layout) {
  const auto size = [&](std::size_t n) { return static_cast<int>(view.sizes[n]); };
  if (layout == Layout::bhsd) return {size(0), size(1), size(2), size(3)};
  return {size(0), size(2), size(1), size(3)};
}

/// Calls visit(row of the host, row of dense memory in that layout, bytes).
template <typename Visit>
void for_each_row(const TensorView& host, Layout layout, char* dense, Visit visit) {
  const auto& n = host.sizes;
  const auto item = static_cast<std::int64_t>(mx::size_of(type_of(host.dtype)));
  const auto bytes = n[3] * item;
  for (std::int64_t b = 0; b < n[0]; ++b) {
    for (std::int64_t h = 0; h < n[1]; ++h) {
      for (std::int64_t i = 0; i < n[2]; ++i) {
        const auto row = layout == Layout::bhsd ? (b * n[1] + h) * n[2] + i : (b * n[2] + i) * n[1] + h;
        const auto at = (b * host.strides[0] + h * host.strides[1] + i * host.strides[2]) * item;
        visit(static_cast<char*>(host.data) + at, dense + row * bytes, static_cast<std::size_t>(bytes));
      }
    }
  }
}

array from_host(const TensorView& host, Layout layout) {
  const auto type = type_of(host.dtype);
  std::vector<char> dense(static_cast<std::size_t>(host.elements()) * mx::size_of(type));
  for_each_row(host, layout, dense.data(),
               [](const char* from, char* to, std::size_t bytes) { std::memcpy(to, from, bytes); });
  const auto shape = shape_of(host, layout);
  if (type == mx::bfloat16) return array(reinterpret_cast<const mx::bfloat16_t*>(dense.data()), shape, type);
  if (type == mx::float16) return array(reinterpret_cast<const mx::float16_t*>(dense.data()), shape, type);
  return array(reinterpret_cast<const float*>(dense.data()), shape, type);
}

/// MLX's arrays for the tensors of the host: dense, in the layout of the problem.
class ArrayBinding final : public Binding {
 public:
  ArrayBinding(Form form, const Problem& problem, const Tensors& host, bool gpu, const Services& services)
      : plan(form, problem, keys_of(problem, host), services), host_(host), services_(services), gpu_(gpu) {
    for (const auto& spec : services.roles_of(problem)) {
      if (!host[spec.role]) continue;
      layouts_[spec.role] = spec.layout;
      if (spec.access == Access::in) write(spec.role);
    }
  }

  void write(Role role) override {
    auto made = from_host(host_[role], layouts_.at(role));
    if (gpu_) {  // it lies where the CPU can write; the copy where the GPU computed it
      made = mx::copy(made, mx::Device::gpu);
      made.eval();
    }
    set(role, made);
  }
  void read(Role role) override {
    for_each_row(host_[role], layouts_.at(role), arrays_.at(role).data<char>(),
                 [](char* to, const char* dense, std::size_t bytes) { std::memcpy(to, dense, bytes); });
  }
  void poison(Role role) override {
    services_.fill_nan(host_[role]);
    set(role, from_host(host_[role], layouts_.at(role)));
  }

  const array& operator[](Role role) const { return arrays_.at(role); }
  bool has(Role role) const { return layouts_.contains(role); }
  void set(Role role, const array& value) { arrays_.insert_or_assign(role, value); }

  const Plan plan;

 private:
  static std::int64_t keys_of(const Problem& problem, const Tensors& host) {
    return problem.scope == Scope::core ? host[Role::k].sizes[2] : problem.shape.seqlen_kv;
  }

  Tensors host_;
  const Services& services_;
  bool gpu_;
  std::map<Role, Layout> layouts_;
  std::map<Role, array> arrays_;
};

/// Names of the primitives that the graph of an array holds.
std::set<std::string> primitives_in(const array& root) {
  std::set<std::string> names;
  std::set<std::uintptr_t> seen;
  std::vector<array> left = {root};
  while (!left.empty()) {
    const auto next = left.back();
    left.pop_back();
    if (!seen.insert(next.id()).second || !next.has_primitive()) continue;
    names.insert(next.primitive().name());
    left.insert(left.end(), next.inputs().begin(), next.inputs().end());
  }
  return names;
}

constexpr const char* kFusedPrimitive = "ScaledDotProductAttention";

class GraphExecution final : public Execution {
 public:
  GraphExecution(Form form, const Problem& problem, const Place& place, const Services& services)
      : form_(form), problem_(problem), place_(place), services_(services) {
    enter();
  }

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    enter();
    return std::make_unique<ArrayBinding>(form_, problem_, host, place_.gpu, services_);
  }

  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) override {
    enter();
    if (form_ == Form::sdpa) see_what_runs(static_cast<ArrayBinding&>(*bindings.front()));
    std::size_t next = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      call(static_cast<ArrayBinding&>(*bindings[next]));
      if (++next == bindings.size()) next = 0;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {seconds, runs};
  }

  /// MLX allocates what it needs as it evaluates.
  std::int64_t workspace_bytes() const override { return 0; }

  Implementation implementation() const override {
    if (form_ != Form::sdpa) return {"", "the operations of its graph are its own"};
    return {ran_, "the primitives of the graph that MLX built for the call"};
  }

 private:
  void enter() const {
    mx::set_default_device(place_.gpu ? mx::Device::gpu : mx::Device::cpu);
    use(place_);
  }

  /// Builds the graph of a call, evaluates it and waits.
  void call(ArrayBinding& b) const {
    const bool with_lse = b.has(Role::lse);
    const auto result = graph(b, with_lse);
    std::vector<array> outputs = {result.o};
    if (with_lse) outputs.push_back(*result.lse);
    mx::eval(outputs);
    b.set(Role::o, result.o);
    if (with_lse) b.set(Role::lse, *result.lse);
  }

  /// The outputs of a call, in the layout and element type of the problem.
  Result graph(const ArrayBinding& b, bool with_lse) const {
    return problem_.scope == Scope::core ? core(b, with_lse) : layer(b, with_lse);
  }

  Result core(const ArrayBinding& b, bool with_lse) const {
    const bool bshd = problem_.shape.layout == Layout::bshd;
    const auto heads_first = [&](const array& x) { return bshd ? mx::transpose(x, {0, 2, 1, 3}) : x; };
    auto result =
        attend(b.plan, heads_first(b[Role::q]), heads_first(b[Role::k]), heads_first(b[Role::v]), with_lse);
    result.o = mx::contiguous(heads_first(result.o));
    if (with_lse) result.lse = mx::contiguous(*result.lse);
    return result;
  }

  Result layer(const ArrayBinding& b, bool with_lse) const {
    const auto& p = b.plan;
    const auto rows = static_cast<int>(problem_.shape.seqlen_q);
    const auto width = static_cast<int>(problem_.shape.d_model);
    const auto weights = [&](Role role) { return mx::squeeze(b[role], std::vector<int>{0, 1}); };
    const auto x = mx::reshape(b[Role::x], {p.batch, rows, width});
    const auto project = [&](Role role, int heads) {
      const auto projected = mx::matmul(x, weights(role));
      return mx::transpose(mx::unflatten(projected, -1, {heads, -1}), {0, 2, 1, 3});
    };
    auto result = attend(p, project(Role::wq, p.heads), project(Role::wk, p.kv_heads),
                         project(Role::wv, p.kv_heads), with_lse);
    const auto merged = mx::flatten(mx::transpose(result.o, {0, 2, 1, 3}), -2, -1);
    result.o = mx::contiguous(mx::matmul(merged, weights(Role::wo)));
    if (with_lse) result.lse = mx::contiguous(*result.lse);
    return result;
  }

  /// The form, on the queries that see keys; the others get zeros.
  Result attend(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) const {
    const auto type = type_of(problem_.shape.dtype_o);
    const bool converts = form_ != Form::sdpa && type != mx::float32;
    const auto operand = [&](const array& x) { return converts ? mx::astype(x, mx::float32) : x; };
    const auto seen = plan.unseen == 0 ? q : mx::slice(q, {0, 0, plan.unseen, 0}, q.shape());
    auto result = build(form_, plan, operand(seen), operand(k), operand(v), with_lse);
    if (converts) result.o = mx::astype(result.o, type);
    if (plan.unseen == 0) return result;
    const auto before = [&](const array& rest, float value) {
      const auto shape = mx::Shape{plan.batch, plan.heads, plan.unseen, rest.shape(-1)};
      return mx::concatenate({mx::full(shape, value, rest.dtype()), rest}, 2);
    };
    result.o = before(result.o, 0);
    if (result.lse) result.lse = before(*result.lse, -std::numeric_limits<float>::infinity());
    return result;
  }

  void see_what_runs(const ArrayBinding& b) {
    ran_ = primitives_in(graph(b, false).o).contains(kFusedPrimitive) ? kFusedPrimitive
                                                                      : "fallback: unfused operations";
  }

  Form form_;
  Problem problem_;
  Place place_;
  const Services& services_;
  std::string ran_;
};

}  // namespace

std::unique_ptr<Execution> make_execution(Form form, const Problem& problem, const Place& place,
                                          const Services& services) {
  return std::make_unique<GraphExecution>(form, problem, place, services);
}

bool is_fused(Form form, const Problem& problem, const Place& place, const Services& services) {
  mx::set_default_device(place.gpu ? mx::Device::gpu : mx::Device::cpu);
  const auto& s = problem.shape;
  const Plan plan(form, problem, s.seqlen_kv, services);
  const auto type = type_of(s.dtype_q);
  const auto any = [&](int heads, int rows, int dim) {
    return mx::zeros({plan.batch, heads, rows, dim}, type);
  };
  const auto result =
      build(form, plan, any(plan.heads, plan.queries, plan.dim_qk),
            any(plan.kv_heads, plan.keys, plan.dim_qk), any(plan.kv_heads, plan.keys, plan.dim_v), false);
  return primitives_in(result.o).contains(kFusedPrimitive);
}

}  // namespace attnbench::mlx
