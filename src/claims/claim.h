#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// How a comparison is tested; claims/README.md says what each needs.
enum class Relation : std::uint8_t {
  ratio,        ///< one kernel is faster or slower than another, at one N or in the geometric mean of several
  range,        ///< their ratio at one N lies within a range
  equivalence,  ///< any two of several kernels are equally fast at each N
  best_set,     ///< a kernel is the fastest at one N, or none is at all N
  trend,        ///< the ratio of two kernels rises or falls with N
  crossover,    ///< slower at small N, faster at large N, the change within a range
  step,         ///< the step from one N to the next is larger or smaller than another step
  slope,        ///< the log-log slope is above or below a bound, or another kernel's
  cv_bound,     ///< coefficients of variation between processes are all below a bound
  memory,       ///< share of another kernel's KV cache that is saved
};
std::string_view name(Relation relation);
Relation parse_relation(std::string_view text);

/// What the publication says; the relation decides which values make sense.
enum class Expect : std::uint8_t { nothing, faster, slower, rising, falling, larger, smaller, above, below };
std::string_view name(Expect expect);
Expect parse_expect(std::string_view text);

/// Which way up a ratio of two kernels is told.
enum class Measure : std::uint8_t {
  speed,  ///< time of `against` / time of `kernel`: "1.2 times as fast"
  time,   ///< time of `kernel` / time of `against`: "takes 5.7 times as long"
};
std::string_view name(Measure measure);
Measure parse_measure(std::string_view text);

/// A published number; both ends are the same unless a range was published.
struct PublishedValue {
  double low = 0;
  double high = 0;

  bool is_range() const { return low != high; }
  bool operator==(const PublishedValue&) const = default;
};

/// Where the publication calls times equal and gives no margin.
constexpr double kOwnMargin = 0.02;

/// One comparison of a claim, as its file states it. Kernels go by the names of Claim::kernels.
struct PartSpec {
  Relation relation = Relation::ratio;
  std::string kernel;
  std::string against;                        ///< empty: none
  std::vector<std::string> among;             ///< best_set, equivalence, cv_bound: the kernels compared
  std::int64_t seqlen = 0;                    ///< of one N; 0: none
  std::vector<std::int64_t> seqlens;          ///< of several N, rising
  std::vector<std::int64_t> against_seqlens;  ///< step: the step compared with; empty: the same of `against`
  Expect expect = Expect::nothing;
  Measure measure = Measure::speed;
  /// equivalence: ratios within 1 / (1 + margin) and 1 + margin; absent where none was published: kOwnMargin.
  std::optional<double> margin;
  std::optional<double> bound;  ///< slope, cv_bound
  PublishedValue between;       ///< range: of the ratio; crossover: of N
  std::optional<PublishedValue> printed;
  std::optional<double> from_means;
  std::optional<double> against_from_means;  ///< step: the published means of the step compared with

  /// Whether the publication says which way it goes; else it gives a value and no more.
  bool has_direction() const;
  /// step: from_means over against_from_means, each per doubling of N; absent without both.
  std::optional<double> published_quotient() const;
  /// All N it is about, rising.
  std::vector<std::int64_t> lengths() const;
};

/// Whether the publication's own means say the opposite of what it says. False where `from_means` alone
/// cannot tell.
bool contradicted_by_means(const PartSpec& spec);

/// One published finding.
struct Claim {
  std::string id;  ///< name of its file: "02-block-sparse-crossover"
  int number = 0;
  std::string title;  ///< what the headline tests

  /// The cells it is about; what is left out matches every cell.
  struct Where {
    std::string phase, condition;
    std::optional<std::int64_t> batch, heads, head_dim;
  } where;
  std::string published_scope, published_dtype;  ///< where the publication measured

  /// Name -> selector of the kernel that stands for the publication's, as kernel_matches() takes it.
  std::map<std::string, std::string> kernels;
  /// Name -> selector of the kernels of which the fastest is taken for the companion answer; names left out
  /// stay as they are. Empty: there is no companion answer.
  std::map<std::string, std::string> best;

  /// What decides. One comparison, or several that must agree.
  struct Headline {
    std::string quote;   ///< the published finding
    std::string source;  ///< where the quotation is from
    std::string note;    ///< what must be known of the publication's numbers; may be empty
    std::vector<PartSpec> parts;
  } headline;
  /// The finding's other values: compared one by one, without a say in the answer.
  std::vector<PartSpec> details;

  /// A comparison that was not published and says what a published one is made of.
  struct Beside {
    std::string says;  ///< what the ratio tells
    PartSpec part;     ///< relation ratio, without a direction
  };
  std::vector<Beside> beside;
};

}  // namespace attnbench
