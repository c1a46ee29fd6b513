#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// How a part of a claim is tested; claims/README.md says what each needs.
enum class Relation : std::uint8_t {
  ratio,        ///< one kernel is faster or slower than another at one N
  equivalence,  ///< they are equally fast at one N
  best_set,     ///< a kernel is the fastest at one N, or none is at all N
  trend,        ///< the ratio of two kernels rises or falls with N
  crossover,    ///< slower at small N, faster at large N, the change within a range
  step,         ///< the step from one N to the next is larger or smaller than another step
  slope,        ///< the log-log slope is above or below a bound, or another kernel's
  cv_bound,     ///< the coefficient of variation between processes is below a bound
  memory,       ///< share of another kernel's KV cache that is saved
};
std::string_view name(Relation relation);
Relation parse_relation(std::string_view text);

/// What the publication says of a part; the relation decides which values make sense.
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

/// One comparison of a claim, as its file states it. Kernels go by the names of Claim::kernels.
struct PartSpec {
  Relation relation = Relation::ratio;
  std::string kernel;
  std::string against;                        ///< empty: none
  std::vector<std::string> among;             ///< best_set: the kernels compared
  std::int64_t seqlen = 0;                    ///< of relations at one N; 0: none
  std::vector<std::int64_t> seqlens;          ///< of relations over several N, rising
  std::vector<std::int64_t> against_seqlens;  ///< step: the step compared with; empty: the same of `against`
  Expect expect = Expect::nothing;
  Measure measure = Measure::speed;
  double margin = 0.02;         ///< equivalence: ratios within 1 / (1 + margin) and 1 + margin
  std::optional<double> bound;  ///< slope, cv_bound
  PublishedValue between;       ///< crossover: the range of N
  std::optional<PublishedValue> printed;
  std::optional<double> from_means;
  bool shown_only = false;  ///< has a value and a magnitude, and no say in the direction
};

/// One published finding.
struct Claim {
  std::string id;  ///< name of its file: "02-block-sparse-crossover"
  int number = 0;
  std::string title;
  std::string statement;

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

  std::vector<PartSpec> parts;

  /// "ratio, crossover": each relation once, in the order of the parts.
  std::string relations() const;
};

}  // namespace attnbench
