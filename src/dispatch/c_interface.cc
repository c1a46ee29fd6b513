#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "attnbench/attnbench.h"
#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"

struct attnbench_dispatcher {
  attnbench_dispatcher(std::unique_ptr<attnbench::Device> where, const attnbench::Policy& policy)
      : device(std::move(where)), dispatcher(*device, policy) {}

  std::unique_ptr<attnbench::Device> device;
  attnbench::Dispatcher dispatcher;
};

struct attnbench_plan {
  attnbench::Attention attention;
};

namespace attnbench {
namespace {

/// At first as long as a string is that allocates nothing: what is put there when memory is out.
thread_local std::string last_error;

attnbench_status failed(attnbench_status status, const char* what) noexcept {
  try {
    last_error = what;
  } catch (...) {
    last_error = "out of memory";
  }
  return status;
}

template <typename Body>
attnbench_status guarded(const Body& body) noexcept {
  try {
    body();
    return ATTNBENCH_OK;
  } catch (const InputError& error) {
    return failed(ATTNBENCH_BAD_INPUT, error.what());
  } catch (const std::bad_alloc&) {
    return failed(ATTNBENCH_FAILED, "out of memory");
  } catch (const std::exception& error) {
    return failed(ATTNBENCH_FAILED, error.what());
  } catch (...) {
    return failed(ATTNBENCH_FAILED, "an exception that is no std::exception");
  }
}

template <typename T>
T& given(T* argument, std::string_view name) {
  if (argument == nullptr) throw InputError(name, "null", "must be given");
  return *argument;
}

std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

/// Enumerations of types_c.h have the values of ours, from 0 on.
template <typename Enum>
Enum enumerator(std::string_view field, std::int32_t value, Enum last) {
  if (value < 0 || value > static_cast<std::int32_t>(last))
    throw InputError(field, std::to_string(value),
                     fmt::format("is outside 0..{}", static_cast<std::int32_t>(last)));
  return static_cast<Enum>(value);
}

MechanismKind kind_named(std::string_view text) {
  for (const auto kind : all_mechanism_kinds()) {
    if (name(kind) == text) return kind;
  }
  return parse_mechanism(text).kind;  // which says what is wrong, or has parameters
}

Problem problem_of(const attnbench_problem& c, const Device& device) {
  if (c.threads != 0 && c.threads != device.host_threads())
    throw InputError("threads", std::to_string(c.threads),
                     fmt::format("is neither 0 nor the dispatcher's {}", device.host_threads()));
  Problem problem;
  auto& mechanism = problem.mechanism;
  const std::string_view text = &given(c.mechanism, "mechanism");
  mechanism.kind = kind_named(text);
  if (text != name(mechanism.kind))
    throw InputError("mechanism", text, "has parameters, which here are fields of their own");
  mechanism.num_kv_heads = c.num_kv_heads;
  mechanism.window = c.window;
  mechanism.block_size = c.block_size;
  mechanism.globals = c.globals;
  mechanism.causal_bottom_right = c.causal != 0 && mechanism.is_softmax();
  if (c.causal != 0 && mechanism.kind == MechanismKind::linear)
    throw InputError("causal", std::to_string(c.causal), "is for softmax; causal_linear is causal");
  if (!mechanism.is_softmax()) mechanism.eps = c.eps;
  if (c.num_kv_heads == 0) mechanism = bind_kv_heads(mechanism, c.num_q_heads, 0);
  problem.scope = enumerator("scope", c.scope, Scope::layer);
  problem.phase = enumerator("phase", c.phase, Phase::decode);
  auto& shape = problem.shape;
  shape.layout = enumerator("layout", c.layout, Layout::bshd);
  shape.dtype_q = enumerator("dtype_q", c.dtype_q, kDTypes.back());
  shape.dtype_kv = enumerator("dtype_kv", c.dtype_kv, kDTypes.back());
  shape.dtype_o = enumerator("dtype_o", c.dtype_o, kDTypes.back());
  shape.batch = c.batch;
  shape.num_q_heads = c.num_q_heads;
  shape.seqlen_q = c.seqlen_q;
  shape.seqlen_kv = c.seqlen_kv;
  shape.head_dim_qk = c.head_dim_qk;
  shape.head_dim_v = c.head_dim_v;
  shape.d_model = c.d_model;
  shape.softmax_scale = c.softmax_scale;
  if (c.seqlens_kv != nullptr && c.batch > 0) shape.seqlens_kv.assign(c.seqlens_kv, c.seqlens_kv + c.batch);
  return problem;
}

/// The mechanisms that a caller allows besides the problem's own.
struct Allowed {
  Allowed(const char* const* texts, const Problem& problem) {
    for (; texts != nullptr && *texts != nullptr; ++texts) {
      if (count == kMostAllowed)
        throw InputError("allowed", *texts,
                         fmt::format("is one more than the {} there may be", kMostAllowed));
      all[count++] =
          bind_kv_heads(parse_mechanism(*texts), problem.shape.num_q_heads, problem.mechanism.num_kv_heads);
    }
  }
  std::span<const Mechanism> mechanisms() const { return {all.data(), count}; }

  std::array<Mechanism, kMostAllowed> all;
  std::size_t count = 0;
};

TensorView view_of(const attnbench_tensor& c, DType dtype) {
  TensorView view;
  view.data = c.data;
  view.dtype = dtype;
  std::copy(std::begin(c.sizes), std::end(c.sizes), view.sizes.begin());
  std::copy(std::begin(c.strides), std::end(c.strides), view.strides.begin());
  return view;
}

const attnbench_tensor& tensor_of(const attnbench_tensors& c, Role role) {
  switch (role) {
    case Role::q:
      return c.q;
    case Role::k:
      return c.k;
    case Role::v:
      return c.v;
    case Role::x:
      return c.x;
    case Role::wq:
      return c.wq;
    case Role::wk:
      return c.wk;
    case Role::wv:
      return c.wv;
    case Role::wo:
      return c.wo;
    case Role::o:
      return c.o;
    case Role::lse:
      return c.lse;
  }
  throw InputError("role", std::to_string(static_cast<int>(role)), "is none");
}

/// What in_words() needs travels with a decision.
static_assert(sizeof(Decision) <= sizeof(attnbench_decision::of_library));

void write_decision(const Decision& decision, attnbench_decision& c) {
  c = {};
  c.chosen = decision ? 1 : 0;
  c.verified = decision.because.verified ? 1 : 0;
  c.reason = name(decision.because.reason).data();  // names are literals
  c.ratio = decision.because.ratio;
  c.ratio_low = decision.because.ratio_low;
  c.ratio_high = decision.because.ratio_high;
  c.seconds = decision.because.seconds;
  std::memcpy(c.of_library, &decision, sizeof decision);
}

Decision decision_of(const attnbench_decision* c) {
  Decision decision;
  std::memcpy(static_cast<void*>(&decision), given(c, "decision").of_library, sizeof decision);
  return decision;
}

/// As snprintf does.
template <typename Text>
std::size_t write_text(char* out, std::size_t size, const Text& text_of) {
  std::size_t length = 0;
  const auto status = guarded([&] {
    const std::string text = text_of();
    if (size > 0) {
      const auto fits = std::min(text.size(), size - 1);
      std::memcpy(&given(out, "text"), text.data(), fits);
      out[fits] = '\0';
    }
    length = text.size();
  });
  if (status != ATTNBENCH_OK && size > 0 && out != nullptr) *out = '\0';
  return length;
}

}  // namespace
}  // namespace attnbench

using namespace attnbench;

const char* attnbench_version() { return ATTNBENCH_VERSION; }

const char* attnbench_last_error() { return last_error.c_str(); }

attnbench_status attnbench_load_plugin(const char* path) {
  return guarded([&] { load_plugin(&given(path, "path")); });
}

attnbench_status attnbench_dispatcher_new(const attnbench_policy* policy, attnbench_dispatcher** dispatcher) {
  return guarded([&] {
    auto& out = given(dispatcher, "dispatcher");
    const auto& c = policy == nullptr ? attnbench_policy{} : *policy;
    Policy chosen;
    chosen.profile = text_or_empty(c.profile);
    chosen.deterministic = c.deterministic != 0;
    chosen.byte_limit = c.byte_limit;
    chosen.forced = text_or_empty(c.forced);
    for (const auto* text = c.denied; text != nullptr && *text != nullptr; ++text)
      chosen.denied.emplace_back(*text);
    if (c.threads < 0) throw InputError("threads", std::to_string(c.threads), "is negative");
    auto device = open_device(c.device == nullptr ? "cpu" : c.device, cpu_device(c.threads));
    out = std::make_unique<attnbench_dispatcher>(std::move(device), chosen).release();
  });
}

void attnbench_dispatcher_free(attnbench_dispatcher* dispatcher) { delete dispatcher; }

const char* attnbench_profile_state(const attnbench_dispatcher* dispatcher) {
  const char* text = "";
  guarded([&] { text = name(given(dispatcher, "dispatcher").dispatcher.profile_state()).data(); });
  return text;
}

const char* attnbench_profile_problem(const attnbench_dispatcher* dispatcher) {
  const char* text = "";
  guarded([&] { text = given(dispatcher, "dispatcher").dispatcher.profile_problem().c_str(); });
  return text;
}

attnbench_status attnbench_choose(const attnbench_dispatcher* dispatcher, const attnbench_problem* problem,
                                  const char* const* allowed, attnbench_decision* decision) {
  return guarded([&] {
    const auto& chooser = given(dispatcher, "dispatcher").dispatcher;
    const auto wanted = problem_of(given(problem, "problem"), chooser.device());
    auto& out = given(decision, "decision");
    write_decision(chooser.choose(wanted, Allowed(allowed, wanted).mechanisms()), out);
  });
}

size_t attnbench_describe(const attnbench_decision* decision, char* text, size_t size) {
  return write_text(text, size, [&] { return in_words(decision_of(decision)); });
}

size_t attnbench_kernel_name(const attnbench_decision* decision, char* text, size_t size) {
  return write_text(text, size, [&] {
    const auto chosen = decision_of(decision);
    return chosen ? kernel_id(chosen.mechanism, *chosen.kernel) : std::string();
  });
}

attnbench_status attnbench_plan_new(const attnbench_dispatcher* dispatcher, const attnbench_problem* problem,
                                    const char* const* allowed, attnbench_plan** plan) {
  return guarded([&] {
    const auto& chooser = given(dispatcher, "dispatcher").dispatcher;
    const auto wanted = problem_of(given(problem, "problem"), chooser.device());
    auto& out = given(plan, "plan");
    Attention attention(chooser, wanted, Allowed(allowed, wanted).mechanisms());
    out = std::make_unique<attnbench_plan>(attnbench_plan{std::move(attention)}).release();
  });
}

void attnbench_plan_free(attnbench_plan* plan) { delete plan; }

attnbench_status attnbench_plan_decision(const attnbench_plan* plan, attnbench_decision* decision) {
  return guarded(
      [&] { write_decision(given(plan, "plan").attention.decision(), given(decision, "decision")); });
}

attnbench_status attnbench_plan_bind(attnbench_plan* plan, const attnbench_tensors* tensors) {
  return guarded([&] {
    auto& attention = given(plan, "plan").attention;
    const auto& c = given(tensors, "tensors");
    Tensors views;
    for (const auto& spec : roles_of(attention.problem())) {
      const auto& tensor = tensor_of(c, spec.role);
      if (tensor.data != nullptr) views[spec.role] = view_of(tensor, spec.dtype);
    }
    attention.bind(views);
  });
}

attnbench_status attnbench_plan_run(attnbench_plan* plan, int64_t calls, double* seconds) {
  return guarded([&] {
    const auto timing = given(plan, "plan").attention.run(calls);
    if (seconds != nullptr) *seconds = timing.seconds;
  });
}

attnbench_status attnbench_plan_write_inputs(attnbench_plan* plan) {
  return guarded([&] { given(plan, "plan").attention.write_inputs(); });
}

attnbench_status attnbench_plan_read_outputs(attnbench_plan* plan) {
  return guarded([&] { given(plan, "plan").attention.read_outputs(); });
}
