#pragma once

#include <span>

#include "claims/claim_answer.h"

namespace attnbench {

/// How narrow an interval must be to agree with a value that it holds: its ends lie within this factor of the
/// value, and within half the effect where that is less (a speed ratio of 1.08: 1.04 to 1.12).
constexpr double kAgreementFactor = 1.1;

/// The size of a comparison beside a published value, by its 95 % interval. AGREES if the interval holds the
/// value and is narrow (kAgreementFactor), or lies within the range where one was published. OPPOSITE if it
/// lies beyond no effect, SMALLER or LARGER if it lies on one side of the value, else TOO WIDE. A ratio is
/// larger the further it lies from 1 on the published side: a speed ratio of 0.5 is larger than a published
/// 0.8. `none` without a bounded interval, and for relations whose direction says it all (range, equivalence,
/// best_set, cv_bound, memory).
Magnitude compare_with(const ClaimPart& part, const PublishedValue& published);

/// The size of the effect that the comparison tests: beside the printed value, else that from the published
/// means. Of a step it is the quotient to the step compared with, per doubling of N, beside that of the
/// published means (PartSpec::published_quotient). `none` where no value of that effect was published: a step
/// without the other one's means or whose means contradict it, a slope beside another kernel's.
Magnitude size_of(const ClaimPart& part);

/// Of a headline: what all its comparisons with a size say, else IN PART; `none` where one has no verdict.
Magnitude combined(std::span<const ClaimPart> parts);

}  // namespace attnbench
