#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "attnbench/kernel.h"
#include "run/protocol/messages.h"
#include "run/protocol/process.h"

namespace attnbench {

/// One kernel of a cell, and what it is to compute there.
struct VerificationTarget {
  Problem problem;
  const KernelInfo* kernel = nullptr;
};

struct VerificationLimits {
  double seconds = 60;            ///< for all that one kernel does
  std::int64_t memory_bytes = 0;  ///< that one kernel may add to the process; 0: no limit
  std::uint64_t seed = 0;         ///< of the inputs
};

/// Bytes of all inputs and outputs with which one kernel is verified: they are in memory together.
std::int64_t verification_input_bytes(const Problem& problem);

/// Verifies each kernel in a process, a worker that `worker` starts, one after another,
/// `on_outcome` after each. Neighbours that compute in the same engine's program, a process apart, or on a
/// device that is no CPU share a worker, and that program, until one of them fails, which is then verified
/// once more in a worker of its own. Targets that are neighbours and have the same problem share inputs and
/// one run of the oracle, in memory that those processes read. Inputs: N(0,1) and every hard kind; N(0,1),
/// `rising` and `extreme` alone where the problem is large. A kernel that is wrong, crashes, hangs, throws or
/// runs out of memory gets a record that did not pass, with the reason in words and the input it was busy
/// with. One that does not support the problem, would allocate more than memory_bytes, or was ended by the
/// system because that ran out of memory, is unsupported.
void verify_cell(const std::string& cell_id, std::span<const VerificationTarget> targets,
                 const Device& device, const VerificationLimits& limits, const Program& worker,
                 const std::function<void(const VerificationOutcome&)>& on_outcome);

}  // namespace attnbench
