// Another maker's kernels, whose name tells what is the matter with each. All compute mha in f32, core scope.

#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/plugin.h"
#include "support/simple_kernel.h"

namespace {

using namespace attnbench;

/// An error of so many times 4 ulp of each output, which is nearly all of the tolerance where the plain form
/// is exact to an ulp or so.
double relative_error(std::string_view name) {
  const double ulps = std::ldexp(1.0, -23);
  if (name == "off_by_5") return 5 * 4 * ulps;
  if (name == "off_by_50") return 50 * 4 * ulps;
  return 0;
}

/// The simple kernel's execution with a clock and a word of its own.
class OtherExecution final : public Execution {
 public:
  OtherExecution(std::string name, std::unique_ptr<HostExecution> simple)
      : name_(std::move(name)), simple_(std::move(simple)) {}

  std::unique_ptr<Binding> bind(const Tensors& host) override { return std::make_unique<Bound>(host); }

  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) override {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      const auto n = static_cast<std::size_t>(run) % bindings.size();
      compute(static_cast<Bound*>(bindings[n])->tensors);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {name_ == "lies_about_time" ? took.count() / 100 : took.count(), runs};
  }

  std::int64_t workspace_bytes() const override { return simple_->workspace_bytes(); }
  Implementation implementation() const override {
    if (name_ == "not_confirmed") return {"flash", ""};
    return {name_ == "falls_back" ? "math" : "flash", "its trace"};
  }

 private:
  struct Bound final : Binding {
    explicit Bound(const Tensors& host) : tensors(host) {}
    void write(Role) override {}
    void read(Role) override {}
    void poison(Role role) override { fill_nan(tensors[role]); }
    const Tensors tensors;
  };

  void compute(const Tensors& tensors) {
    simple_->call(tensors);
    const auto& o = tensors[Role::o];
    const auto& v = tensors[Role::v];
    const double factor = 1 + relative_error(name_);
    for (std::int64_t b = 0; b < o.sizes[0]; ++b) {
      for (std::int64_t h = 0; h < o.sizes[1]; ++h) {
        for (std::int64_t i = 0; i < o.sizes[2]; ++i) {
          auto* row = o.row<float>(b, h, i);
          for (std::int64_t d = 0; d < o.sizes[3]; ++d) {
            row[d] = static_cast<float>(row[d] * factor);
            if (name_ == "first_value") row[d] = v.row<const float>(b, h, 0)[d];
          }
        }
      }
    }
  }

  std::string name_;
  std::unique_ptr<HostExecution> simple_;
};

class OtherKernel final : public KernelInfo {
 public:
  explicit OtherKernel(std::string_view name) : name_(name) {}
  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "other"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  std::string implementation() const override { return "flash"; }
  std::string other_function(const Problem&) const override {
    return name_ == "first_value" ? "the first value alone" : "";
  }
  Support supports(const Problem& problem, const Device& device) const override {
    if (problem.shape.dtype_q != DType::f32) return Support::no("computes f32");
    return simple_.supports(problem, device);
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override {
    return std::make_unique<OtherExecution>(
        std::string(name_), simple_.prepare_on_cpu(problem, dynamic_cast<const CpuDevice&>(device)));
  }
  double executed_flops(const Problem& problem) const override { return simple_.executed_flops(problem); }
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const override {
    return simple_.workspace_bytes(problem, device);
  }

 private:
  std::string_view name_;
  test::SimpleKernel simple_;
};

}  // namespace

int attnbench_plugin_abi() { return attnbench::kPluginAbi; }

const attnbench::KernelInfo* const* attnbench_plugin_kernels() {
  static const OtherKernel exact("exact"), off_by_5("off_by_5"), off_by_50("off_by_50"),
      first_value("first_value"), not_confirmed("not_confirmed"), falls_back("falls_back"),
      lies_about_time("lies_about_time");
  static const attnbench::KernelInfo* const all[] = {
      &exact, &off_by_5, &off_by_50, &first_value, &not_confirmed, &falls_back, &lies_about_time, nullptr};
  return all;
}
