#pragma once

#include <vector>

#include "reference/inputs.h"
#include "run/verification/check.h"
#include "run/verification/child.h"
#include "store/records.h"

namespace attnbench {

/// One input of a problem, with what it must give.
struct VerificationCase {
  reference::InputKind kind;
  reference::ProblemData data;
  Expected expected;
};

/// Keys of the messages that observe_kernel() sends: what it is about to do, and its final record
/// (record_json), without cell and kernel id.
inline constexpr const char* kDoing = "doing";
inline constexpr const char* kRecord = "record";

/// The work of a kernel's verification process: times prepare() and calls, runs every case, then looks at
/// reruns, other circumstances and memory. cases.front() is the input that is timed.
void observe_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                    std::vector<VerificationCase>& cases, const ChildSend& send);

}  // namespace attnbench
