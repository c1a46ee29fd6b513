#pragma once

#include <string>

#include "claims/claim_answer.h"

namespace attnbench {

/// The headline of an answer in prose, one paragraph: verdict, each comparison with kernels, N, value, 95 %
/// interval and published value, what was not tested and why, and how many details are as published. A
/// companion answer also says what the two forms together mean; `of_published` is then the answer of the
/// publication's kernels, else null. The only place where prose with a claim's numbers is made.
std::string sentence(const ClaimAnswer& answer, const ClaimAnswer* of_published);

}  // namespace attnbench
