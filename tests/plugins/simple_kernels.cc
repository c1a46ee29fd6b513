// The simple kernel, whole and with each of its faults, for workers that the tests of verification start.

#include <memory>
#include <vector>

#include "attnbench/plugin.h"
#include "support/simple_kernel.h"

int attnbench_plugin_abi() { return attnbench::kPluginAbi; }

const attnbench::KernelInfo* const* attnbench_plugin_kernels() {
  using attnbench::test::SimpleKernel;
  static const auto kernels = [] {
    std::vector<std::unique_ptr<SimpleKernel>> list;
    for (const auto fault : attnbench::test::all_faults())
      list.push_back(std::make_unique<SimpleKernel>(fault));
    list.push_back(std::make_unique<SimpleKernel>(attnbench::test::Fault::writes_beside));
    return list;
  }();
  static const auto pointers = [] {
    std::vector<const attnbench::KernelInfo*> list;
    for (const auto& kernel : kernels) list.push_back(kernel.get());
    list.push_back(nullptr);
    return list;
  }();
  return pointers.data();
}
