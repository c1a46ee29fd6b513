#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "reference/inputs.h"
#include "run/verification/check.h"
#include "store/records.h"

namespace attnbench {

/// Memory beside an output, which no kernel may write.
struct Guard {
  Role role = Role::o;
  std::span<std::byte> bytes;
};

/// One input of a problem, with what it must give.
struct VerificationCase {
  reference::InputKind kind;
  reference::ProblemData data;
  Expected expected;
  std::vector<Guard> guards = {};  ///< each byte as fill_guards() left it
};

void fill_guards(const VerificationCase& c);
/// What a kernel wrote beside, in words; empty if nothing.
std::string guard_damage(const VerificationCase& c);

/// The work of a kernel's verification process: times prepare() and calls, runs every case, then looks at
/// reruns, other circumstances and memory. cases.front() is the input that is timed. `doing` is told what
/// comes next. The record lacks the ids of cell and kernel.
VerificationRecord observe_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                  std::vector<VerificationCase>& cases,
                                  const std::function<void(const std::string&)>& doing);

}  // namespace attnbench
