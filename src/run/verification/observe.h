#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reference/inputs.h"
#include "run/verification/check.h"
#include "store/records.h"

namespace attnbench {

/// One input of a problem, with what it must give.
struct VerificationCase {
  reference::InputKind kind;
  reference::ProblemData data;
  Expected expected;
};

/// The work of a kernel's verification process: times prepare() and calls, runs every case, then looks at
/// reruns, other circumstances and memory. cases.front() is the input that is timed. `doing` is told what
/// comes next. The record lacks the ids of cell and kernel.
VerificationRecord observe_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                  std::vector<VerificationCase>& cases,
                                  const std::function<void(const std::string&)>& doing);

}  // namespace attnbench
