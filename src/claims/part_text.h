#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "claims/claim_answer.h"

namespace attnbench {

// A comparison of a claim in words and numbers. Every table and every page takes them from here.

/// "a, b and c".
std::string listed(const std::vector<std::string>& items, const char* last = "and");

/// A number in its own terms: "1.45x", "490", "12.5 %", "1.73".
std::string value_text(const PartSpec& spec, double value);
/// What is measured: "speed ratio", "time ratio", "growth per doubling", "largest difference", "crossover N",
/// "step", "exponent", "largest CV", "saved share", "fastest".
std::string measure_text(const PartSpec& spec);
/// The comparison in words, by the names of the claim: "block_sparse against mha at N = 512".
std::string comparison_text(const PartSpec& spec);

/// What was published of comparisons, and what the published means give where that is not the same number:
/// "5.7x, 7.3x", "400 to 600", "0.89 (0.25 by its means)", "1.35x by its means", "below 5 %, contradicted by
/// its means: 29 %". Empty where neither is known.
std::string published_text(std::span<const PartSpec> specs);
std::string published_text(const PartSpec& spec);

/// Without interval, with what it is compared with: "9.54x", "16 %", "0.69 vs 1.70", of steps the quotient
/// too, "2.09x (2.54x vs 1.22x)", "fastest at N = 128: 1 of 3"; of a crossover without a length, why there is
/// none. Empty without data.
std::string estimate_text(const ClaimPart& part);
/// With 95 % interval, and where it is or what it is compared with: "9.54x [9.07, 10.0]", "16 % [12, 25]
/// (mha/unfused@cpu at N = 256), modes". Empty without data.
std::string measured_text(const ClaimPart& part);
/// "as published", "direction as published, slower by more", "opposite", "outside", "not resolved: too noisy
/// to publish", ...
std::string outcome_text(const ClaimPart& part);

/// Each detail in one of these: as published in direction and size, in direction alone, of a published value
/// without a direction another size, the opposite, outside the published range, not resolved, not tested.
struct DetailCounts {
  std::size_t all = 0;
  std::size_t as_published = 0, in_direction = 0, of_another_size = 0, opposite = 0, outside = 0,
              not_resolved = 0, not_tested = 0;
};
DetailCounts detail_counts(const ClaimAnswer& answer);
/// What there is: "1 as published, 2 in direction alone, 1 not resolved"; empty without details.
std::string details_text(const ClaimAnswer& answer);

/// The headline's: "HOLDS", "HOLDS; size: LARGER".
std::string verdict_text(const ClaimAnswer& answer);

}  // namespace attnbench
