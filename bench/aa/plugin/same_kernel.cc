// One kernel under eight names, for the A/A study (studies/aa.toml): each name has an execution of its own,
// as eight different kernels would, and all run the same code.
#include <array>
#include <string>

#include "attnbench/host_kernel.h"
#include "attnbench/plugin.h"
#include "attnbench/registry.h"

namespace {

using namespace attnbench;

constexpr int kNames = 8;

/// mha/unfused@cpu as mha/same1@aa ... mha/same8@aa.
class SameKernel final : public HostKernel {
 public:
  explicit SameKernel(int number) : name_("same" + std::to_string(number)) {}

  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "aa"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    return original(problem).supports(problem, device);
  }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem,
                                                const CpuDevice& device) const override {
    return original(problem).prepare_on_cpu(problem, device);
  }
  double executed_flops(const Problem& problem) const override {
    return original(problem).executed_flops(problem);
  }
  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    return original(problem).workspace_bytes(problem, device);
  }

 private:
  static const HostKernel& original(const Problem& problem) {
    return dynamic_cast<const HostKernel&>(*find_kernel({problem.mechanism, "unfused", "cpu", ""}));
  }

  std::string name_;
};

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const KernelInfo* const* attnbench_plugin_kernels() {
  static const std::array<SameKernel, kNames> kernels{SameKernel(1), SameKernel(2), SameKernel(3),
                                                      SameKernel(4), SameKernel(5), SameKernel(6),
                                                      SameKernel(7), SameKernel(8)};
  static const std::array<const KernelInfo*, kNames + 1> list = [] {
    std::array<const KernelInfo*, kNames + 1> pointers{};
    for (std::size_t i = 0; i < kernels.size(); ++i) pointers[i] = &kernels[i];
    return pointers;
  }();
  return list.data();
}
