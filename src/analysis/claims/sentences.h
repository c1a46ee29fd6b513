#pragma once

#include <string>

#include "analysis/claims/claim_answer.h"

namespace attnbench {

/// An answer in prose, one paragraph: what holds, each comparison with kernels, N, value, 95 % interval and
/// published value, and what was not tested and why. A companion answer also says what the two forms together
/// mean; `of_published` is then the answer of the publication's kernels, else null. The only place where
/// prose with a claim's numbers is made.
std::string sentence(const ClaimAnswer& answer, const ClaimAnswer* of_published);

/// A number of a part in its own terms: "1.45x", "N = 490", "12.5 %", "1.73".
std::string value_text(const PartSpec& spec, double value);
/// "5.7x", "400 to 600"; empty where nothing was printed.
std::string printed_text(const PartSpec& spec);
/// What is measured: "speed ratio", "time ratio", "growth per doubling", "crossover N", "step", "exponent",
/// "CV", "saved share", "fastest".
std::string measure_text(const PartSpec& spec);
/// The comparison in words, by the names of the claim: "block_sparse against mha at N = 512".
std::string comparison_text(const PartSpec& spec);

}  // namespace attnbench
