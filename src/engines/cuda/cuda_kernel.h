#pragma once

#include <memory>
#include <string_view>

#include "attnbench/kernel.h"

namespace attnbench::cuda {

/// A kernel of engine `cuda` whose execution type E plans in its constructor E(problem, device) and allocates
/// in allocate().
template <typename E>
class CudaKernel : public KernelInfo {
 public:
  std::string_view engine() const final { return "cuda"; }
  bool made_here() const final { return true; }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const final {
    auto execution = std::make_unique<E>(problem, device);
    execution->allocate();
    return execution;
  }
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const final {
    return E(problem, device).workspace_bytes();
  }
};

}  // namespace attnbench::cuda
