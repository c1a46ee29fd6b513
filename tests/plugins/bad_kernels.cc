// Kernels that misbehave, each in one way, for the tests of isolation. All compute mha in f32, core scope.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <vector>

#include "attnbench/plugin.h"

namespace {

using namespace attnbench;

void attend(const Problem& problem, const Tensors& t) {
  const auto& s = problem.shape;
  std::vector<double> p(static_cast<std::size_t>(t[Role::k].sizes[2]));
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t h = 0; h < s.num_q_heads; ++h) {
      for (std::int64_t i = 0; i < s.seqlen_q; ++i) {
        const auto* q = t[Role::q].row<const float>(b, h, i);
        double top = -std::numeric_limits<double>::infinity();
        for (std::size_t j = 0; j < p.size(); ++j) {
          const auto* k = t[Role::k].row<const float>(b, h, static_cast<std::int64_t>(j));
          double dot = 0;
          for (std::int64_t d = 0; d < s.head_dim_qk; ++d) dot += double{q[d]} * k[d];
          p[j] = dot * s.softmax_scale;
          top = std::max(top, p[j]);
        }
        double sum = 0;
        for (auto& x : p) sum += x = std::exp(x - top);
        if (t[Role::lse]) *t[Role::lse].row<float>(b, h, i) = static_cast<float>(top + std::log(sum));
        auto* o = t[Role::o].row<float>(b, h, i);
        for (std::int64_t d = 0; d < s.head_dim_v; ++d) {
          double value = 0;
          for (std::size_t j = 0; j < p.size(); ++j) {
            value += p[j] / sum * t[Role::v].row<const float>(b, h, static_cast<std::int64_t>(j))[d];
          }
          o[d] = static_cast<float>(value);
        }
      }
    }
  }
}

/// What a kernel does besides, given how often it was called in this process.
using Misbehaviour = void (*)(const Problem&, const Tensors&, long call);

class BadExecution final : public HostExecution {
 public:
  BadExecution(Problem problem, Misbehaviour misbehave, long last_computed)
      : problem_(std::move(problem)), misbehave_(misbehave), last_computed_(last_computed) {}
  void call(const Tensors& tensors) override {
    if (++calls_ <= last_computed_) attend(problem_, tensors);
    misbehave_(problem_, tensors, calls_);
  }
  std::int64_t workspace_bytes() const override { return 0; }

 private:
  Problem problem_;
  Misbehaviour misbehave_;
  long last_computed_;
  long calls_ = 0;
};

class BadKernel : public HostKernel {
 public:
  /// After call number `last_computed` it leaves its output alone.
  BadKernel(std::string_view name, Misbehaviour misbehave,
            long last_computed = std::numeric_limits<long>::max())
      : name_(name), misbehave_(misbehave), last_computed_(last_computed) {}
  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "test"; }
  std::vector<MechanismKind> mechanisms() const override {
    if (std::getenv("ATTNBENCH_TEST_THROW") != nullptr) throw std::logic_error("a broken promise");
    return {MechanismKind::mha};
  }
  Support supports_on_cpu(const Problem& problem, const CpuDevice&) const override {
    const bool plain = problem.scope == Scope::core && problem.shape.dtype_q == DType::f32 &&
                       !problem.mechanism.causal_bottom_right && problem.shape.seqlens_kv.empty();
    return plain ? Support::yes() : Support::no("the test kernels compute full mha in f32, core scope");
  }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem, const CpuDevice&) const override {
    return std::make_unique<BadExecution>(problem, misbehave_, last_computed_);
  }
  double executed_flops(const Problem& problem) const override { return work(problem).useful_flops; }
  std::int64_t workspace_on_cpu(const Problem&, const CpuDevice&) const override { return 0; }

 private:
  std::string_view name_;
  Misbehaviour misbehave_;
  long last_computed_;
};

/// Misbehaves before it computes, as the environment tells it to.
class PlanningKernel final : public BadKernel {
 public:
  using BadKernel::BadKernel;
  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    if (fault() == "throws") throw std::runtime_error("no supports today");
    if (fault() == "throws_an_int") throw 42;
    if (fault() == "crashes") std::raise(SIGSEGV);
    while (fault() == "hangs") pause();
    if (fault() == "no_reason") return Support::no("");
    return BadKernel::supports_on_cpu(problem, device);
  }
  std::int64_t workspace_on_cpu(const Problem&, const CpuDevice&) const override {
    if (fault() == "crashes_on_memory") std::raise(SIGSEGV);
    if (fault() == "huge") return std::numeric_limits<std::int64_t>::max();
    return fault() == "negative" ? -7 : 0;
  }

 private:
  static std::string_view fault() {
    const char* told = std::getenv("ATTNBENCH_TEST_PLANNING");
    return told == nullptr ? "" : told;
  }
};

/// Says that it executes what the environment tells it to say.
class CountingKernel final : public BadKernel {
 public:
  using BadKernel::BadKernel;
  double executed_flops(const Problem&) const override {
    const char* told = std::getenv("ATTNBENCH_TEST_FLOPS");
    return told == nullptr ? 1 : std::atof(told);
  }
};

void crash(const Problem&, const Tensors&, long) { std::raise(SIGSEGV); }

void hang(const Problem&, const Tensors&, long) {
  while (true) pause();
}

void write_nan(const Problem&, const Tensors& t, long) { *t[Role::o].row<float>(0, 0, 0) = std::nanf(""); }

void eat_memory(const Problem&, const Tensors&, long) {
  constexpr std::size_t kStep = std::size_t{1} << 28;
  while (true) {
    volatile char* block = new char[kStep];
    block[0] = 1;
  }
}

// Far more calls than verification makes, far fewer than a timed process does at the sizes of the tests.
constexpr long kOnlyWhileTimed = 80;

void crash_while_timed(const Problem&, const Tensors&, long call) {
  if (call > kOnlyWhileTimed) std::raise(SIGSEGV);
}

void end_while_timed(const Problem&, const Tensors&, long call) {
  if (call > kOnlyWhileTimed) std::raise(SIGKILL);
}

// Ends the first worker that gets this far, as an operator or a dropped connection would.
void end_once_while_timed(const Problem&, const Tensors&, long call) {
  const char* mark = std::getenv("ATTNBENCH_TEST_MARK");
  if (call <= kOnlyWhileTimed || mark == nullptr) return;
  const int file = open(mark, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0) return;
  close(file);
  std::raise(SIGKILL);
}

void hang_while_timed(const Problem& problem, const Tensors& t, long call) {
  if (call > kOnlyWhileTimed) hang(problem, t, call);
}

void wrong_while_timed(const Problem& problem, const Tensors& t, long call) {
  if (call > kOnlyWhileTimed) std::fill_n(t[Role::o].row<float>(0, 0, 0), problem.shape.head_dim_v, 3.0f);
}

void print(const Problem&, const Tensors&, long) { std::puts("computed"), std::fflush(stdout); }

void behave(const Problem&, const Tensors&, long) {}

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const KernelInfo* const* attnbench_plugin_kernels() {
  static const BadKernel good("good", behave);
  static const BadKernel prints("prints", print);
  static const BadKernel crashes("crashes", crash);
  static const BadKernel hangs("hangs", hang);
  static const BadKernel nan("nan", write_nan);
  static const BadKernel hog("hog", eat_memory);
  static const BadKernel crashes_timed("crashes_timed", crash_while_timed);
  static const BadKernel hangs_timed("hangs_timed", hang_while_timed);
  static const BadKernel ended_timed("ended_timed", end_while_timed);
  static const BadKernel ended_once("ended_once", end_once_while_timed);
  static const BadKernel wrong_timed("wrong_timed", wrong_while_timed);
  static const BadKernel stops_timed("stops_timed", behave, kOnlyWhileTimed);
  static const CountingKernel counts("counts", behave);
  static const PlanningKernel plans("plans", behave);
  static const KernelInfo* const all[] = {
      &good,        &crashes,     &hangs,      &nan,    &hog,    &crashes_timed, &hangs_timed, &wrong_timed,
      &stops_timed, &ended_timed, &ended_once, &counts, &prints, &plans,         nullptr};
  return all;
}
