#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "attnbench/cpu_device.h"
#include "run/protocol/messages.h"
#include "run/verification/shared_memory.h"

namespace attnbench {

/// The side of a verification that runs the kernel: answers `observe` and `check` in a worker of one kernel.
class Examiner {
 public:
  using Send = std::function<void(const nlohmann::json&)>;

  /// Reads the cases from kSharedDescriptor, and opens the device, when it is first asked.
  Examiner(const CpuDevice& host, Send send);

  void observe(const messages::Observe& request);
  void check(const messages::Check& request);

 private:
  SharedReader& shared();
  messages::Checked check_case(const KernelInfo& kernel, const messages::Check& request,
                               const messages::Check::Case& c);

  const CpuDevice& host_;
  Send send_;
  std::optional<SharedReader> shared_;
};

}  // namespace attnbench
