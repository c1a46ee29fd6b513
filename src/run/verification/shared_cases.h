#pragma once

#include <cstdint>
#include <vector>

#include "reference/inputs.h"
#include "run/verification/check.h"
#include "run/verification/observe.h"
#include "run/verification/shared_memory.h"

namespace attnbench {

/// What a case must give.
void put(SharedWriter& out, const Expected& expected);
Expected take_expected(SharedReader& in);

/// Inputs of each kind, from the seed, with what they must give. Outputs, lse where the problem has one, are
/// room alone. One kind at a time is in other memory as well.
void put_cases(SharedWriter& out, const Problem& problem, const std::vector<reference::InputKind>& kinds,
               std::uint64_t seed);
/// The tensors lie in the reader's memory.
std::vector<VerificationCase> take_cases(SharedReader& in, const Problem& problem);

}  // namespace attnbench
