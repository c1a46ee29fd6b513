#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "claims/claim.h"
#include "stats/crossover.h"
#include "stats/intervals.h"

namespace attnbench {

/// What the data say of a published finding or of one of its comparisons.
enum class Direction : std::uint8_t {
  holds,       ///< resolved as published
  reversed,    ///< resolved the opposite way
  outside,     ///< resolved to lie outside the published range
  in_part,     ///< of a headline: some comparisons hold, others are reversed or outside
  unresolved,  ///< measured, not resolved
  not_tested,  ///< cells, kernels or the variance are missing
};
/// "HOLDS", "REVERSED", "OUTSIDE", "IN PART", "UNRESOLVED", "NOT TESTED".
std::string_view to_string(Direction direction);

/// How large an effect is beside the published one; magnitude.h has the rule.
enum class Magnitude : std::uint8_t {
  none,      ///< nothing published, no interval to compare, or no question of size
  agrees,    ///< a narrow interval that holds the published value
  smaller,   ///< the interval lies wholly on the side of a smaller effect
  larger,    ///< the interval lies wholly on the side of a larger effect
  opposite,  ///< the interval lies wholly on the other side of no effect
  too_wide,  ///< the interval is too wide to tell
  in_part,   ///< of a headline: its comparisons differ
};
/// "", "AGREES", "SMALLER", "LARGER", "OPPOSITE", "TOO WIDE", "DIFFERS".
std::string_view to_string(Magnitude magnitude);

/// One comparison of a claim, answered.
struct ClaimPart {
  PartSpec spec;
  /// Ids of the kernels compared; of equivalence and cv_bound those with the largest value. Empty where none
  /// stands for the name.
  std::string kernel, against;
  std::int64_t at_seqlen = 0;  ///< equivalence, cv_bound: where the largest value is; else 0
  /// What the relation is about: a ratio (as spec.measure tells it), the largest difference of two times as a
  /// share, growth per doubling of N, a step, an exponent, the largest CV, a share saved; 95 %, unadjusted;
  /// unbounded where its error is not known. Absent: no data.
  std::optional<stats::Interval> value;
  std::optional<stats::Interval> other;  ///< step, slope: that of the step or kernel it is compared with
  /// step: the step over that compared with, each per doubling of N; what is tested and sized. 95 %,
  /// unadjusted.
  std::optional<stats::Interval> quotient;
  /// Some compared ratio's processes have modes (stats/modes.h): its interval is wide and must itself lie on
  /// one side of what is tested.
  bool modes = false;
  stats::Crossover crossover;  ///< of that relation
  bool never_slower = false;   ///< crossover: `kernel` has the higher mean speed at every length
  bool never_faster = false;   ///< crossover: the lower one
  /// best_set: kernels that may be the fastest at each length, best first.
  struct Best {
    std::int64_t seqlen = 0;
    std::vector<std::string> kernels;
  };
  std::vector<Best> best;
  /// best_set: the kernel that beats the published winner, or all others at all lengths, best supported by
  /// the data; the name of the claim where several kernels stand for it. Means something where REVERSED
  /// alone.
  std::string winner;
  /// Two-sided, adjusted for the choice among kernels of a mechanism; absent where nothing was tested. Of a
  /// headline also adjusted over the run's headlines (Holm).
  std::optional<double> p;
  Direction direction = Direction::not_tested;
  std::string reason;                     ///< why not tested, or why no verdict; else empty
  Magnitude magnitude = Magnitude::none;  ///< against the printed value, else that from the published means

  /// The direction as published and, where a value was, the size too.
  bool is_as_published() const;
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
  bool apple_silicon = false;                   ///< the kind of machine that was published
  Direction direction = Direction::not_tested;  ///< of the headline
  Magnitude magnitude = Magnitude::none;        ///< of the headline
  std::string sentence;                         ///< the headline in one paragraph, all its numbers in it
  std::vector<ClaimPart> parts;                 ///< the headline's
  std::vector<ClaimPart> details;
  /// Comparisons of Claim::beside between kernels of one engine that both have times; no others.
  struct Beside {
    std::string says;
    ClaimPart part;
  };
  std::vector<Beside> beside;
  /// "mha/unfused_f32@cpu for mha/unfused": kernels that stand in for the claim's (Operands). Empty where
  /// nothing was tested.
  std::vector<std::string> stand_ins;
};

/// A claim and its answers: run by run, in each the published setting first and each setting's companion
/// answer (Form::best) after it.
struct ClaimResult {
  Claim claim;
  std::vector<ClaimAnswer> answers;
};

}  // namespace attnbench
