#pragma once

#include <span>

#include "analysis/claims/claim_answer.h"

namespace attnbench {

/// The size of a part's effect beside a published value, by its 95 % interval: AGREES where the two meet. A
/// ratio is larger the further it lies from 1 on the published side: a speed ratio of 0.5 is larger than a
/// published 0.8. `none` without a bounded interval.
Magnitude compare_with(const ClaimPart& part, const PublishedValue& published);

/// Of a claim: that of all parts that do not agree, or AGREES.
Magnitude combined(std::span<const ClaimPart> parts);

}  // namespace attnbench
