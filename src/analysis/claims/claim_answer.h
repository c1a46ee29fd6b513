#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/claims/claim.h"
#include "stats/crossover.h"
#include "stats/intervals.h"

namespace attnbench {

/// What the data say of a published finding or of a part of it.
enum class Direction : std::uint8_t {
  holds,       ///< resolved as published
  reversed,    ///< resolved the opposite way
  unresolved,  ///< measured, not resolved
  not_tested,  ///< cells, kernels or the variance are missing
};
/// "HOLDS", "REVERSED", "UNRESOLVED", "NOT TESTED".
std::string_view to_string(Direction direction);

/// How large an effect is beside the published one.
enum class Magnitude : std::uint8_t {
  none,     ///< nothing published, or no interval to compare
  agrees,   ///< the published value lies in the 95 % interval
  smaller,  ///< the interval lies wholly on the side of a smaller effect
  larger,
  mixed,  ///< of a whole claim: some parts smaller, others larger
};
/// "", "AGREES", "SMALLER", "LARGER", "MIXED".
std::string_view to_string(Magnitude magnitude);

/// One comparison of a claim, answered.
struct ClaimPart {
  PartSpec spec;
  std::string kernel, against;  ///< ids of the kernels compared; empty where none stands for the name
  /// What the relation is about: a ratio (as spec.measure tells it), growth per doubling of N, a step, an
  /// exponent, a CV, a share; 95 %, unadjusted; unbounded where its error is not known. Absent: no data.
  std::optional<stats::Interval> value;
  std::optional<stats::Interval> other;  ///< step, slope: that of the step or kernel it is compared with
  stats::Crossover crossover;            ///< of that relation
  bool never_slower = false;             ///< crossover: `kernel` has the higher mean speed at every length
  bool never_faster = false;             ///< crossover: the lower one
  /// best_set: kernels that may be the fastest at each length, best first.
  struct Best {
    std::int64_t seqlen = 0;
    std::vector<std::string> kernels;
  };
  std::vector<Best> best;
  /// Two-sided, adjusted over the claim's parts (Holm) and for the choice among kernels of a mechanism;
  /// absent where nothing was tested.
  std::optional<double> p_adjusted;
  Direction direction = Direction::not_tested;
  std::string reason;                                ///< why not tested, or why no verdict; else empty
  Magnitude magnitude = Magnitude::none;             ///< against the printed value, else that from means
  Magnitude magnitude_from_means = Magnitude::none;  ///< against the value from the published means
};

/// Which kernels stand for the claim's.
enum class Form : std::uint8_t {
  published,  ///< those that compute as the publication's did
  best,       ///< of each mechanism the fastest one measured: is the finding about the mechanism?
};
/// "published", "best".
std::string_view to_string(Form form);

/// A claim in one group of cells of a run.
struct ClaimAnswer {
  std::string run;             ///< RunAnalysis::id
  std::string group, heading;  ///< of the cells; empty where the run has none
  std::string dtype, scope;
  bool as_published = false;  ///< the setting in which the publication measured
  Form form = Form::published;
  Direction direction = Direction::not_tested;
  Magnitude magnitude = Magnitude::none;
  std::string sentence;  ///< one paragraph, all numbers in it
  std::vector<ClaimPart> parts;
};

/// A claim and its answers: run by run, in each the published setting first and each setting's companion
/// answer (Form::best) after it.
struct ClaimResult {
  Claim claim;
  std::vector<ClaimAnswer> answers;
};

}  // namespace attnbench
