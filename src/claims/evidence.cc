#include "claims/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "claims/best_kernels.h"
#include "stats/contrast.h"
#include "stats/cv_interval.h"
#include "stats/guarded_contrast.h"
#include "stats/power_law.h"
#include "stats/step_ratio.h"
#include "stats/verdicts.h"

namespace attnbench {
namespace {

using stats::Estimate;
using stats::GuardedEstimate;

/// Names and lengths of which times are needed.
struct Need {
  std::string name;
  std::int64_t seqlen;
};

std::vector<Need> needs(const PartSpec& spec) {
  std::vector<std::string> names = spec.among;
  if (names.empty()) names.push_back(spec.kernel);
  if (!spec.against.empty()) names.push_back(spec.against);
  std::vector<Need> list;
  for (const auto seqlen : spec.lengths()) {
    for (const auto& name : names) list.push_back({name, seqlen});
  }
  return list;
}

/// Names whose times are compared with each other's in the same processes.
std::vector<std::pair<std::string, std::string>> pairs(const PartSpec& spec) {
  if (!spec.against.empty()) return {{spec.kernel, spec.against}};
  std::vector<std::pair<std::string, std::string>> list;
  if (spec.relation != Relation::equivalence) return list;
  for (std::size_t a = 0; a < spec.among.size(); ++a) {
    for (std::size_t b = a + 1; b < spec.among.size(); ++b) list.emplace_back(spec.among[a], spec.among[b]);
  }
  return list;
}

/// Both p values of "the estimate is above `bound`", or below it.
template <typename AnyEstimate>
void test_side(const AnyEstimate& estimate, double bound, bool expect_above, Evidence& evidence) {
  evidence.p_as_published = expect_above ? estimate.above_p(bound) : estimate.below_p(bound);
  evidence.p_opposite = expect_above ? estimate.below_p(bound) : estimate.above_p(bound);
}

/// The kernels of one part, and series of them over N.
class Pair {
 public:
  Pair(const PartSpec& spec, const Operands& operands) : spec_(spec), operands_(operands) {
    if (!spec.kernel.empty()) kernel_ = operands.kernel(spec.kernel);
    if (!spec.against.empty()) against_ = operands.kernel(spec.against);
  }

  /// log(against / kernel) at a length; above 0: the kernel is faster.
  std::vector<double> sample(std::int64_t seqlen) const {
    return operands_.log_ratios(kernel_, against_, seqlen);
  }
  std::vector<stats::SizePoint> log_speeds() const {
    std::vector<stats::SizePoint> series;
    for (const auto n : spec_.seqlens)
      series.push_back({static_cast<double>(n), operands_.log_ratios(kernel_, against_, n)});
    return series;
  }
  std::vector<stats::SizePoint> log_seconds(const std::string& id,
                                            const std::vector<std::int64_t>& seqlens) const {
    std::vector<stats::SizePoint> series;
    for (const auto n : seqlens) series.push_back({static_cast<double>(n), operands_.log_seconds(id, n)});
    return series;
  }
  const std::string& kernel() const { return kernel_; }
  const std::string& against() const { return against_; }

 private:
  const PartSpec& spec_;
  const Operands& operands_;
  std::string kernel_, against_;
};

/// As the part's measure tells it.
void tell(const PartSpec& spec, const GuardedEstimate& log_speed, Evidence& evidence) {
  const auto told = spec.measure == Measure::speed ? log_speed : log_speed.negated();
  evidence.part.value = stats::exponential(told.interval());
  evidence.part.modes = log_speed.with_modes.has_value();
}

/// sum weights[i] of the logarithms' means at series[i].
GuardedEstimate contrast_of(const std::vector<stats::SizePoint>& series, const std::vector<double>& weights) {
  std::vector<std::vector<double>> samples;
  for (const auto& point : series) samples.push_back(point.process_logs);
  return stats::guarded_contrast(samples, weights);
}

/// Least-squares slope of the series on log N, as stats::log_log_slope takes it, per doubling of N.
GuardedEstimate slope_per_doubling(const std::vector<stats::SizePoint>& series) {
  std::vector<double> doublings;
  for (const auto& point : series) doublings.push_back(std::log2(point.seqlen));
  const double centre = stats::mean(doublings);
  double squares = 0;
  for (const double value : doublings) squares += (value - centre) * (value - centre);
  std::vector<double> weights;
  for (const double value : doublings) weights.push_back((value - centre) / squares);
  return contrast_of(series, weights);
}

void weigh_ratio(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto lengths = spec.lengths();
  std::vector<std::vector<double>> samples;
  for (const auto seqlen : lengths) samples.push_back(pair.sample(seqlen));
  const std::vector<double> weights(lengths.size(), 1.0 / static_cast<double>(lengths.size()));
  const auto log_speed = stats::guarded_contrast(samples, weights);
  tell(spec, log_speed, evidence);
  if (spec.has_direction()) test_side(log_speed, 0, spec.expect == Expect::faster, evidence);
}

void weigh_range(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  auto log_ratio = stats::guarded_mean(pair.sample(spec.seqlen));
  tell(spec, log_ratio, evidence);
  if (spec.measure == Measure::time) log_ratio = log_ratio.negated();
  const double low = std::log(spec.between.low);
  const double high = std::log(spec.between.high);
  evidence.p_as_published = std::max(log_ratio.above_p(low), log_ratio.below_p(high));
  evidence.p_opposite = std::min(1.0, 2 * std::min(log_ratio.below_p(low), log_ratio.above_p(high)));
}

/// The largest of several comparisons is below a bound if all are, and above it if one is.
class Largest {
 public:
  explicit Largest(Evidence& evidence) : evidence_(evidence) { evidence.p_as_published = 0; }

  /// One comparison: its value, and one-sided p values of being below the bound and above it. True where it
  /// is the largest so far.
  bool add(const stats::Interval& value, double below_p, double above_p) {
    ++count_;
    smallest_ = std::min(smallest_, above_p);
    evidence_.p_as_published = std::min(1.0, std::max(evidence_.p_as_published, below_p));
    evidence_.p_opposite = std::min(1.0, count_ * smallest_);
    auto& largest = evidence_.part.value;
    if (largest && value.estimate <= largest->estimate) return false;
    largest = value;
    return true;
  }

 private:
  Evidence& evidence_;
  double count_ = 0;
  double smallest_ = 1;
};

void weigh_equivalence(const PartSpec& spec, const Operands& operands, Evidence& evidence) {
  const double share = spec.margin.value_or(kOwnMargin);
  const double margin = std::log1p(share);
  Largest largest(evidence);
  for (const auto seqlen : spec.lengths()) {
    for (const auto& [first, second] : pairs(spec)) {
      const auto *slower = &first, *faster = &second;
      const auto logs = operands.log_ratios(operands.kernel(second), operands.kernel(first), seqlen);
      auto gap = stats::guarded_mean(logs);
      if (gap.estimate.value < 0) {
        gap = gap.negated();
        std::swap(slower, faster);
      }
      evidence.part.modes = evidence.part.modes || gap.with_modes.has_value();
      const double within = std::max(gap.above_p(-margin), gap.below_p(margin));
      const double ways =
          static_cast<double>(operands.candidates(*slower).size() * operands.candidates(*faster).size());
      const double beyond = 2 * std::min(gap.above_p(margin), gap.below_p(-margin));
      auto ratio = stats::exponential(gap.interval());
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      ratio = {ratio.estimate - 1, ratio.is_bounded() ? ratio.low - 1 : -kInfinity, ratio.high - 1};
      if (!largest.add(ratio, ways * within, ways * beyond)) continue;
      evidence.part.kernel = operands.kernel(*slower);
      evidence.part.against = operands.kernel(*faster);
      evidence.part.at_seqlen = seqlen;
    }
  }
}

void weigh_trend(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto slope = slope_per_doubling(pair.log_speeds());
  tell(spec, slope, evidence);
  const bool told_rises = spec.expect == Expect::rising;
  test_side(slope, 0, told_rises == (spec.measure == Measure::speed), evidence);
}

/// The mean log-ratio at N, interpolated in log N as find_crossover does.
GuardedEstimate interpolated(const std::vector<stats::SizePoint>& series, double seqlen) {
  std::size_t high = 1;
  while (high + 1 < series.size() && series[high].seqlen < seqlen) ++high;
  const auto& below = series[high - 1];
  const auto& above = series[high];
  const double weight = std::log(seqlen / below.seqlen) / std::log(above.seqlen / below.seqlen);
  return contrast_of({below, above}, {1 - weight, weight});
}

void weigh_crossover(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto series = pair.log_speeds();
  const auto low = interpolated(series, spec.between.low);
  const auto high = interpolated(series, spec.between.high);
  evidence.p_as_published = std::max(low.below_p(), high.above_p());
  evidence.p_opposite = std::min(1.0, 2 * std::min(low.above_p(), high.below_p()));
  evidence.part.modes = low.with_modes || high.with_modes;
  auto& found = evidence.part.crossover = stats::find_crossover(series);
  if (found.estimates.empty()) {
    const auto all_beyond = [&](double sign) {
      return std::all_of(series.begin(), series.end(),
                         [&](const auto& point) { return sign * stats::mean(point.process_logs) > 0; });
    };
    evidence.part.never_slower = all_beyond(1);
    evidence.part.never_faster = all_beyond(-1);
    return;
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  evidence.part.value = {found.estimates.front(),
                         found.ranges.front().open_low ? 0 : found.ranges.front().low,
                         found.ranges.back().open_high ? kInfinity : found.ranges.back().high};
}

/// The step in time over that compared with, each per doubling of N, so that steps of other lengths compare.
/// Against another kernel the noise that a process has in common for both cancels.
GuardedEstimate step_quotient(const PartSpec& spec, const Pair& pair) {
  const auto doublings = [](const std::vector<std::int64_t>& lengths) {
    return std::log2(static_cast<double>(lengths[1]) / static_cast<double>(lengths[0]));
  };
  const double per_doubling = 1 / doublings(spec.seqlens);
  if (!pair.against().empty()) return contrast_of(pair.log_speeds(), {per_doubling, -per_doubling});
  std::map<std::int64_t, double> weights;  // steps may share a length
  weights[spec.seqlens[1]] += per_doubling;
  weights[spec.seqlens[0]] -= per_doubling;
  weights[spec.against_seqlens[1]] -= 1 / doublings(spec.against_seqlens);
  weights[spec.against_seqlens[0]] += 1 / doublings(spec.against_seqlens);
  std::vector<std::int64_t> lengths;
  std::vector<double> factors;
  for (const auto& [seqlen, weight] : weights) {
    lengths.push_back(seqlen);
    factors.push_back(weight);
  }
  return contrast_of(pair.log_seconds(pair.kernel(), lengths), factors);
}

void weigh_step(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  auto& part = evidence.part;
  const auto step_of = [&](const std::string& id, const std::vector<std::int64_t>& lengths) {
    return stats::step_ratios(pair.log_seconds(id, lengths))[0].ratio;
  };
  part.value = step_of(pair.kernel(), spec.seqlens);
  part.other = pair.against().empty() ? step_of(pair.kernel(), spec.against_seqlens)
                                      : step_of(pair.against(), spec.seqlens);
  const auto quotient = step_quotient(spec, pair);
  part.quotient = stats::exponential(quotient.interval());
  part.modes = quotient.with_modes.has_value();
  test_side(quotient, 0, spec.expect == Expect::larger, evidence);
}

void weigh_slope(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto slope = stats::log_log_slope(pair.log_seconds(pair.kernel(), spec.seqlens));
  evidence.part.value = slope.interval();
  const bool expect_above = spec.expect == Expect::above;
  if (!spec.has_direction()) return;
  if (spec.bound) return test_side(slope, *spec.bound, expect_above, evidence);
  // Of log(against / kernel): falls where the kernel's time rises more steeply.
  const auto difference = slope_per_doubling(pair.log_speeds());
  evidence.part.modes = difference.with_modes.has_value();
  test_side(difference, 0, !expect_above, evidence);
  evidence.part.other = stats::log_log_slope(pair.log_seconds(pair.against(), spec.seqlens)).interval();
}

void weigh_cv(const PartSpec& spec, const Operands& operands, Evidence& evidence) {
  Largest largest(evidence);
  for (const auto seqlen : spec.lengths()) {
    for (const auto& name : spec.among) {
      const auto logs = operands.log_seconds(operands.kernel(name), seqlen);
      const auto cv = stats::cv_interval(logs);
      if (!largest.add(cv, stats::cv_below_p(logs, *spec.bound), stats::cv_above_p(logs, *spec.bound)))
        continue;
      evidence.part.kernel = operands.kernel(name);
      evidence.part.at_seqlen = seqlen;
    }
  }
  if (std::isnan(evidence.part.value->estimate)) evidence.part.value.reset();  // of one process
}

/// Exact: the bytes follow from the sizes, whether or not a kernel was timed.
void weigh_memory(const PartSpec& spec, const Operands& operands, Evidence& evidence) {
  for (const auto& cell : operands.group().cells) {
    const auto* kernel = cell.find(operands.kernel(spec.kernel));
    const auto* against = cell.find(operands.kernel(spec.against));
    if (kernel == nullptr || against == nullptr) continue;
    if (!kernel->work.kv_cache_bytes || !against->work.kv_cache_bytes) continue;
    const double saved = 1 - *kernel->work.kv_cache_bytes / *against->work.kv_cache_bytes;
    evidence.part.value = {saved, saved, saved};
    evidence.exact = true;
    constexpr double kAsPrinted = 0.0005;  // printed to a tenth of a percent
    const bool same = saved >= spec.printed->low - kAsPrinted && saved <= spec.printed->high + kAsPrinted;
    evidence.p_as_published = same ? 0 : 1;
    evidence.p_opposite = same ? 1 : 0;
    return;
  }
  evidence.part.reason = "no cell with both kernels";
}

/// The comparison without the lengths that it can do without.
PartSpec with_verdicts(const PartSpec& spec, const Operands& operands, Evidence& evidence) {
  if (spec.relation != Relation::equivalence && spec.relation != Relation::cv_bound) return spec;
  auto judged = spec;
  judged.seqlen = 0;
  judged.seqlens.clear();
  std::string left_out;
  for (const auto seqlen : spec.lengths()) {
    const auto& withheld = operands.group().at(seqlen)->withheld;
    if (withheld.empty())
      judged.seqlens.push_back(seqlen);
    else
      left_out = fmt::format("N = {} left out: {}", seqlen, withheld);
  }
  if (judged.seqlens.empty()) return spec;
  evidence.left_out = left_out;
  return judged;
}

/// Of the length and the kernels, or the pair, that have the fewest.
std::size_t fewest_processes(const PartSpec& spec, const Operands& operands) {
  auto fewest = std::numeric_limits<std::size_t>::max();
  for (const auto& need : needs(spec)) fewest = std::min(fewest, operands.processes(need.name, need.seqlen));
  for (const auto& [name, against] : pairs(spec)) {
    for (const auto seqlen : spec.lengths()) {
      const auto both = operands.log_ratios(operands.kernel(name), operands.kernel(against), seqlen).size();
      fewest = std::min(fewest, both);
    }
  }
  return fewest;
}

std::string why_no_verdict(const PartSpec& spec, const Operands& operands, std::size_t processes) {
  for (const auto seqlen : spec.lengths()) {
    if (const auto& withheld = operands.group().at(seqlen)->withheld; !withheld.empty()) return withheld;
  }
  if (processes < static_cast<std::size_t>(stats::kFewestProcesses))
    return fmt::format("too few processes: {}, verdicts need {}", processes, stats::kFewestProcesses);
  for (const auto& need : needs(spec)) {
    auto unranked = operands.unranked(need.name, need.seqlen);
    if (!unranked.empty()) return unranked;
  }
  return {};
}

/// In how many ways the kernels of the part could have been chosen.
double choices(const PartSpec& spec, const Operands& operands) {
  if (!spec.among.empty()) return 1;  // counted comparison by comparison
  double count = static_cast<double>(operands.candidates(spec.kernel).size());
  if (!spec.against.empty()) count *= static_cast<double>(operands.candidates(spec.against).size());
  return count;
}

}  // namespace

bool Evidence::held_by_modes() const {
  if (!part.modes || part.spec.relation == Relation::best_set) return false;
  return p_as_published >= 1 && (p_opposite >= 1 || part.spec.relation == Relation::equivalence);
}

Evidence weigh(const PartSpec& spec, const Operands& operands) {
  Evidence evidence;
  auto& part = evidence.part;
  part.spec = spec;
  if (!spec.kernel.empty()) part.kernel = operands.kernel(spec.kernel);
  if (!spec.against.empty()) part.against = operands.kernel(spec.against);
  if (spec.relation == Relation::memory) {
    weigh_memory(spec, operands, evidence);
    return evidence;
  }
  for (const auto& need : needs(spec)) {
    part.reason = operands.missing(need.name, need.seqlen);
    if (!part.reason.empty()) return evidence;
  }
  const auto judged = with_verdicts(spec, operands, evidence);
  const auto processes = fewest_processes(judged, operands);
  if (processes == 0) {
    part.reason = "no process has times of both kernels";
    return evidence;
  }
  evidence.no_verdict = why_no_verdict(judged, operands, processes);
  const Pair pair(spec, operands);
  switch (spec.relation) {
    case Relation::ratio:
      weigh_ratio(spec, pair, evidence);
      break;
    case Relation::range:
      weigh_range(spec, pair, evidence);
      break;
    case Relation::trend:
      weigh_trend(spec, pair, evidence);
      break;
    case Relation::crossover:
      weigh_crossover(spec, pair, evidence);
      break;
    case Relation::step:
      weigh_step(spec, pair, evidence);
      break;
    case Relation::slope:
      weigh_slope(spec, pair, evidence);
      break;
    case Relation::equivalence:
      weigh_equivalence(judged, operands, evidence);
      break;
    case Relation::best_set:
      weigh_best_set(spec, operands, evidence);
      break;
    case Relation::cv_bound:
      weigh_cv(judged, operands, evidence);
      break;
    case Relation::memory:
      break;
  }
  if (!evidence.left_out.empty()) evidence.p_as_published = 1;
  const double ways = choices(spec, operands);
  evidence.p_as_published = std::min(1.0, ways * evidence.p_as_published);
  evidence.p_opposite = std::min(1.0, ways * evidence.p_opposite);
  return evidence;
}

}  // namespace attnbench
