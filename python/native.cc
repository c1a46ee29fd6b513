#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attnbench/attnbench.h"
#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace attnbench {
namespace {

using Input = nb::ndarray<nb::ro, nb::ndim<4>, nb::device::cpu>;
using Output = nb::ndarray<nb::ndim<4>, nb::device::cpu>;
using Texts = std::vector<std::string>;

struct PythonDispatcher {
  PythonDispatcher(int threads, const Policy& policy)
      : device(cpu_device(threads)), dispatcher(device, policy) {}

  CpuDevice device;
  Dispatcher dispatcher;
};

void make_dispatcher(PythonDispatcher* memory, int threads, const std::optional<std::string>& profile,
                     bool deterministic, std::int64_t byte_limit, const std::optional<std::string>& forced,
                     const Texts& denied) {
  if (threads < 0) throw InputError("threads", std::to_string(threads), "is negative");
  new (memory) PythonDispatcher(
      threads, Policy{profile.value_or(""), deterministic, byte_limit, forced.value_or(""), denied});
}

DType dtype_of_array(std::string_view field, nb::dlpack::dtype dtype) {
  const auto is = [&](nb::dlpack::dtype_code code, int bits) {
    return dtype.code == static_cast<std::uint8_t>(code) && dtype.bits == bits && dtype.lanes == 1;
  };
  if (is(nb::dlpack::dtype_code::Float, 32)) return DType::f32;
  if (is(nb::dlpack::dtype_code::Float, 16)) return DType::f16;
  if (is(nb::dlpack::dtype_code::Bfloat, 16)) return DType::bf16;
  throw InputError(field, "elements of " + std::to_string(dtype.bits) + " bits",
                   "are none of float32, float16, bfloat16");
}

nb::dlpack::dtype dlpack_dtype(DType dtype) {
  const auto code = dtype == DType::bf16 ? nb::dlpack::dtype_code::Bfloat : nb::dlpack::dtype_code::Float;
  return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(8 * size_bytes(dtype)), 1};
}

/// Sizes and strides in the order of TensorView.
template <typename ArrayType>
TensorView view_of(std::string_view field, const ArrayType& array, Layout layout) {
  constexpr std::array<std::size_t, 4> kBhsd = {0, 1, 2, 3}, kBshd = {0, 2, 1, 3};
  const auto& order = layout == Layout::bhsd ? kBhsd : kBshd;
  TensorView view;
  view.data = const_cast<void*>(static_cast<const void*>(array.data()));
  view.dtype = dtype_of_array(field, array.dtype());
  for (std::size_t i = 0; i < 4; ++i) {
    view.sizes[i] = static_cast<std::int64_t>(array.shape(order[i]));
    view.strides[i] = array.stride(order[i]);
  }
  return view;
}

/// Pre: sizes and heads of the shape are set. `kv_heads`: those that K and V have.
Mechanism mechanism_of(const std::optional<std::string>& text, bool causal, std::int64_t q_heads,
                       std::int64_t kv_heads) {
  Mechanism mechanism;
  if (!text) {
    mechanism.kind = kv_heads == q_heads ? MechanismKind::mha
                     : kv_heads == 1     ? MechanismKind::mqa
                                         : MechanismKind::gqa;
  } else if (*text == name(MechanismKind::gqa)) {
    mechanism.kind = MechanismKind::gqa;
  } else {
    mechanism = parse_mechanism(*text);
  }
  if (causal && mechanism.kind == MechanismKind::linear)
    throw InputError("causal", "True", "is for softmax; the causal form of linear is causal_linear");
  if (causal && mechanism.is_softmax()) mechanism.causal_bottom_right = true;
  if (mechanism.num_kv_heads == 0) mechanism.num_kv_heads = kv_heads;  // validate() tells what may not be
  return mechanism;
}

std::vector<Mechanism> allowed_of(const Texts& texts, const Problem& problem) {
  std::vector<Mechanism> allowed;
  for (const auto& text : texts)
    allowed.push_back(
        bind_kv_heads(parse_mechanism(text), problem.shape.num_q_heads, problem.mechanism.num_kv_heads));
  return allowed;
}

/// What follows from the sizes.
void complete(Problem& problem, std::optional<double> softmax_scale) {
  auto& shape = problem.shape;
  shape.softmax_scale = softmax_scale.value_or(
      1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(shape.head_dim_qk, 1))));
  problem.phase = shape.seqlen_q < shape.seqlen_kv ? Phase::decode : Phase::prefill;
}

Decision choose(const PythonDispatcher& self, std::int64_t batch, std::int64_t num_q_heads,
                std::int64_t num_kv_heads, std::int64_t seqlen_q, std::int64_t seqlen_kv,
                std::int64_t head_dim, std::int64_t head_dim_v, const std::string& dtype,
                const std::optional<std::string>& mechanism, bool causal, std::optional<double> softmax_scale,
                const std::string& layout, const Texts& allowed) {
  Problem problem;
  problem.mechanism = mechanism_of(mechanism, causal, num_q_heads, num_kv_heads);
  auto& shape = problem.shape;
  shape.batch = batch;
  shape.num_q_heads = num_q_heads;
  shape.seqlen_q = seqlen_q;
  shape.seqlen_kv = seqlen_kv;
  shape.head_dim_qk = head_dim;
  shape.head_dim_v = head_dim_v;
  shape.dtype_q = shape.dtype_kv = shape.dtype_o = parse_dtype(dtype);
  shape.layout = parse_layout(layout);
  complete(problem, softmax_scale);
  return self.dispatcher.choose(problem, allowed_of(allowed, problem));
}

/// A new array and the view to write it by.
nb::object new_array(const Problem& problem, bool numpy, TensorView& view) {
  const auto& s = problem.shape;
  constexpr std::align_val_t kLine{64};
  const auto bytes = static_cast<std::size_t>(s.batch * s.num_q_heads * s.seqlen_q * s.head_dim_v) *
                     static_cast<std::size_t>(size_bytes(s.dtype_o));
  void* const data = ::operator new(bytes, kLine);
  const nb::capsule owner(data, [](void* memory) noexcept { ::operator delete(memory, kLine); });
  view = dense_view(data, s.dtype_o, s.layout, s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_v);
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  std::array<std::size_t, 4> sizes = {size(s.batch), size(s.num_q_heads), size(s.seqlen_q),
                                      size(s.head_dim_v)};
  if (s.layout == Layout::bshd) std::swap(sizes[1], sizes[2]);
  if (numpy)
    return nb::cast(nb::ndarray<nb::numpy>(data, 4, sizes.data(), owner, nullptr, dlpack_dtype(s.dtype_o),
                                           nb::device::cpu::value, 0, 'C'));
  return nb::cast(nb::ndarray<nb::array_api>(data, 4, sizes.data(), owner, nullptr, dlpack_dtype(s.dtype_o),
                                             nb::device::cpu::value, 0, 'C'));
}

/// A problem and the arrays that it is computed on.
struct Call {
  Problem problem;
  Tensors tensors;
  std::vector<Mechanism> allowed;
  nb::object result;  ///< the new array, where the caller gave none
};

Call call_of(const Input& q, const Input& k, const Input& v, const std::optional<Output>& out,
             const std::optional<std::string>& mechanism, bool causal, std::optional<double> softmax_scale,
             const std::string& layout, const std::optional<std::vector<std::int64_t>>& seqlens_kv,
             const Texts& allowed, bool numpy) {
  Call call;
  auto& [problem, tensors, mechanisms, result] = call;
  auto& shape = problem.shape;
  shape.layout = parse_layout(layout);
  const auto& views = tensors;
  tensors[Role::q] = view_of("q", q, shape.layout);
  tensors[Role::k] = view_of("k", k, shape.layout);
  tensors[Role::v] = view_of("v", v, shape.layout);
  const auto& q_sizes = views[Role::q].sizes;
  const auto& k_sizes = views[Role::k].sizes;
  shape.batch = q_sizes[0];
  shape.num_q_heads = q_sizes[1];
  shape.seqlen_q = q_sizes[2];
  shape.seqlen_kv = k_sizes[2];
  shape.head_dim_qk = q_sizes[3];
  shape.head_dim_v = views[Role::v].sizes[3];
  shape.dtype_q = shape.dtype_o = views[Role::q].dtype;
  shape.dtype_kv = views[Role::k].dtype;
  if (seqlens_kv) shape.seqlens_kv = *seqlens_kv;
  problem.mechanism = mechanism_of(mechanism, causal, shape.num_q_heads, k_sizes[1]);
  complete(problem, softmax_scale);
  if (out) {
    tensors[Role::o] = view_of("out", *out, shape.layout);
    shape.dtype_o = views[Role::o].dtype;
  }
  validate(problem);
  result = nb::none();
  if (!out) result = new_array(problem, numpy, tensors[Role::o]);
  check_tensors(problem, tensors);
  mechanisms = allowed_of(allowed, problem);
  return call;
}

nb::object attention(const PythonDispatcher& self, const Input& q, const Input& k, const Input& v,
                     const std::optional<Output>& out, const std::optional<std::string>& mechanism,
                     bool causal, std::optional<double> softmax_scale, const std::string& layout,
                     const std::optional<std::vector<std::int64_t>>& seqlens_kv, const Texts& allowed,
                     bool numpy) {
  const Call call =
      call_of(q, k, v, out, mechanism, causal, softmax_scale, layout, seqlens_kv, allowed, numpy);
  {
    const nb::gil_scoped_release others_may_run;
    Attention plan(self.dispatcher, call.problem, call.allowed);
    plan.bind(call.tensors);
    plan.run();
  }
  return call.result;
}

/// Attention on arrays that it keeps alive, as it does the result. Python keeps the dispatcher.
class PythonPlan {
 public:
  PythonPlan(const PythonDispatcher& self, const Input& q, const Input& k, const Input& v,
             const std::optional<Output>& out, const std::optional<std::string>& mechanism, bool causal,
             std::optional<double> softmax_scale, const std::string& layout,
             const std::optional<std::vector<std::int64_t>>& seqlens_kv, const Texts& allowed, bool numpy)
      : q_(q),
        k_(k),
        v_(v),
        out_(out),
        call_(call_of(q, k, v, out, mechanism, causal, softmax_scale, layout, seqlens_kv, allowed, numpy)),
        attention_(self.dispatcher, call_.problem, call_.allowed) {
    attention_.bind(call_.tensors);
  }

  Decision decision() const { return attention_.decision(); }
  nb::object result() const { return call_.result; }
  /// Seconds of all calls. Threads wait for each other: a plan serves one at a time.
  double run(std::int64_t calls) {
    const nb::gil_scoped_release others_may_run;
    const std::scoped_lock one_at_a_time(running_);
    return attention_.run(calls).seconds;
  }

 private:
  Input q_, k_, v_;
  std::optional<Output> out_;
  Call call_;
  Attention attention_;
  std::mutex running_;
};

std::optional<std::string> kernel_of(const Decision& decision) {
  if (!decision) return std::nullopt;
  return kernel_id(decision.mechanism, *decision.kernel);
}

}  // namespace
}  // namespace attnbench

NB_MODULE(_native, m) {
  using namespace attnbench;
  m.attr("__version__") = attnbench_version();
  nb::exception<InputError>(m, "InputError", PyExc_ValueError).attr("__doc__") =
      "Input that no call may have. The message names the field and its value.";

  nb::class_<Decision>(m, "Decision", "A kernel, and why it was chosen, or why none.")
      .def_prop_ro(
          "kernel", &kernel_of,
          "\"gqa(kv=2,causal)/fused@cpu:avx512\": mechanism, kernel, engine, path. None: none may be used.")
      .def_prop_ro(
          "mechanism", [](const Decision& d) { return to_string(d.mechanism); },
          "The problem's own, or one of those allowed.")
      .def_prop_ro(
          "because", [](const Decision& d) { return in_words(d); }, "Kernel and reason in words.")
      .def_prop_ro(
          "reason", [](const Decision& d) { return std::string(name(d.because.reason)); },
          "\"faster\", \"default_stays\", \"default_unprofiled\", ...")
      .def_prop_ro(
          "profile", [](const Decision& d) { return std::string(name(d.because.profile)); },
          "\"trusted\", or why the profile is not: \"none\", \"foreign\", \"stale\", ...")
      .def_prop_ro(
          "verified", [](const Decision& d) { return d.because.verified; },
          "Whether the kernel was verified on this machine, by the profile.")
      .def_prop_ro(
          "seconds", [](const Decision& d) { return d.because.seconds; },
          "Of one call, by the profile; NaN: not known.")
      .def_prop_ro(
          "ratio", [](const Decision& d) { return d.because.ratio; },
          "Time of the kernel that it was set against over its own; NaN where not compared.")
      .def_prop_ro(
          "ratio_interval",
          [](const Decision& d) { return std::pair(d.because.ratio_low, d.because.ratio_high); },
          "80 % interval of the ratio.")
      .def("__bool__", [](const Decision& d) { return static_cast<bool>(d); })
      .def("__repr__", [](const Decision& d) { return "<Decision: " + in_words(d) + ">"; });

  nb::class_<PythonDispatcher>(m, "Dispatcher", "Chooses kernels. One serves any number of threads.")
      .def("__init__", &make_dispatcher, nb::kw_only(), "threads"_a = 0, "profile"_a = nb::none(),
           "deterministic"_a = false, "byte_limit"_a = 0, "forced"_a = nb::none(), "denied"_a = Texts{},
           "Args:\n"
           "    threads: Threads to compute with. 0: as many as there are physical cores.\n"
           "    profile: File that `attnbench tune` wrote. None: that of ATTNBENCH_PROFILE, if it is set. "
           "One that\n"
           "        cannot be trusted is no error: decisions name it.\n"
           "    deterministic: Only kernels known to repeat their output bit by bit on this machine.\n"
           "    byte_limit: Largest workspace in bytes. 0: any.\n"
           "    forced: The one kernel to use, \"fused@cpu:amx\". None: any, or that of "
           "ATTNBENCH_FORCE_KERNEL.\n"
           "    denied: Kernels never to use; those of ATTNBENCH_DENY_KERNELS are added.\n\n"
           "Raises:\n"
           "    InputError: A kernel that is not registered, a negative number, more threads than CPUs.")
      .def_prop_ro(
          "threads", [](const PythonDispatcher& d) { return d.device.threads; }, "To compute with.")
      .def_prop_ro(
          "profile_state",
          [](const PythonDispatcher& d) { return std::string(name(d.dispatcher.profile_state())); },
          "\"trusted\", \"none\", \"unreadable\", \"corrupt\", \"newer\", \"foreign\" or \"stale\".")
      .def_prop_ro(
          "profile_problem", [](const PythonDispatcher& d) { return d.dispatcher.profile_problem(); },
          "What is wrong with a profile that is not trusted; empty otherwise.");

  nb::class_<PythonPlan>(m, "Plan", "See attnbench.plan().")
      .def(nb::init<const PythonDispatcher&, const Input&, const Input&, const Input&,
                    const std::optional<Output>&, const std::optional<std::string>&, bool,
                    std::optional<double>, const std::string&,
                    const std::optional<std::vector<std::int64_t>>&, const Texts&, bool>(),
           "dispatcher"_a, "q"_a.noconvert(), "k"_a.noconvert(), "v"_a.noconvert(),
           "out"_a.noconvert().none(), "mechanism"_a.none(), "causal"_a, "softmax_scale"_a.none(), "layout"_a,
           "seqlens_kv"_a.none(), "allowed"_a, "numpy"_a, nb::keep_alive<1, 2>())
      .def_prop_ro("decision", &PythonPlan::decision)
      .def_prop_ro("result", &PythonPlan::result)
      .def("run", &PythonPlan::run, "calls"_a);

  m.def("load_plugin", &load_plugin, "path"_a,
        "Adds the kernels of a shared object; before a Dispatcher is made.\n\nRaises:\n    InputError: It is "
        "none.");
  m.def("choose", &choose, "dispatcher"_a, "batch"_a, "num_q_heads"_a, "num_kv_heads"_a, "seqlen_q"_a,
        "seqlen_kv"_a, "head_dim"_a, "head_dim_v"_a, "dtype"_a, "mechanism"_a.none(), "causal"_a,
        "softmax_scale"_a.none(), "layout"_a, "allowed"_a, "See attnbench.choose().");
  m.def("attention", &attention, "dispatcher"_a, "q"_a.noconvert(), "k"_a.noconvert(), "v"_a.noconvert(),
        "out"_a.noconvert().none(), "mechanism"_a.none(), "causal"_a, "softmax_scale"_a.none(), "layout"_a,
        "seqlens_kv"_a.none(), "allowed"_a, "numpy"_a, "See attnbench.attention().");
}
