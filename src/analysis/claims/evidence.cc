#include "analysis/claims/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "analysis/claims/best_kernels.h"
#include "stats/contrast.h"
#include "stats/cv_interval.h"
#include "stats/equivalence.h"
#include "stats/power_law.h"
#include "stats/step_ratio.h"
#include "stats/verdicts.h"
#include "stats/welch.h"

namespace attnbench {
namespace {

using stats::Estimate;

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
void test_side(const Estimate& estimate, double bound, bool expect_above, Evidence& evidence) {
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
  stats::SampleMean sample(std::int64_t seqlen) const {
    return stats::sample_mean(operands_.log_ratios(kernel_, against_, seqlen));
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
stats::Interval told(const PartSpec& spec, const Estimate& log_speed) {
  const auto logs = log_speed.interval();
  if (spec.measure == Measure::speed) return stats::exponential(logs);
  return stats::exponential({-logs.estimate, -logs.high, -logs.low});
}

void weigh_ratio(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto lengths = spec.lengths();
  std::vector<stats::SampleMean> means;
  for (const auto seqlen : lengths) means.push_back(pair.sample(seqlen));
  const std::vector<double> weights(lengths.size(), 1.0 / static_cast<double>(lengths.size()));
  const auto log_speed = stats::contrast(means, weights);
  evidence.part.value = told(spec, log_speed);
  if (spec.has_direction()) test_side(log_speed, 0, spec.expect == Expect::faster, evidence);
}

void weigh_range(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  auto log_ratio = stats::estimate(pair.sample(spec.seqlen));
  evidence.part.value = told(spec, log_ratio);
  if (spec.measure == Measure::time) log_ratio.value = -log_ratio.value;
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
      auto gap = stats::estimate(stats::sample_mean(logs));
      if (gap.value < 0) {
        gap.value = -gap.value;
        std::swap(slower, faster);
      }
      const double ways =
          static_cast<double>(operands.candidates(*slower).size() * operands.candidates(*faster).size());
      const double beyond = 2 * std::min(gap.above_p(margin), gap.below_p(-margin));
      auto ratio = stats::exponential(gap.interval());
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      ratio = {ratio.estimate - 1, ratio.is_bounded() ? ratio.low - 1 : -kInfinity, ratio.high - 1};
      if (!largest.add(ratio, ways * stats::equivalence_p(gap, 1 + share), ways * beyond)) continue;
      evidence.part.kernel = operands.kernel(*slower);
      evidence.part.against = operands.kernel(*faster);
      evidence.part.at_seqlen = seqlen;
    }
  }
}

void weigh_trend(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto slope = stats::log_log_slope(pair.log_speeds());
  const double per_doubling = std::log(2.0);
  evidence.part.value =
      told(spec, {slope.value * per_doubling, slope.standard_error * per_doubling, slope.df});
  const bool told_rises = spec.expect == Expect::rising;
  test_side(slope, 0, told_rises == (spec.measure == Measure::speed), evidence);
}

/// The mean log-ratio at N, interpolated in log N as find_crossover does.
Estimate interpolated(const std::vector<stats::SizePoint>& series, double seqlen) {
  std::size_t high = 1;
  while (high + 1 < series.size() && series[high].seqlen < seqlen) ++high;
  const auto& below = series[high - 1];
  const auto& above = series[high];
  const double weight = std::log(seqlen / below.seqlen) / std::log(above.seqlen / below.seqlen);
  return stats::contrast(
      std::array{stats::sample_mean(below.process_logs), stats::sample_mean(above.process_logs)},
      std::array{1 - weight, weight});
}

void weigh_crossover(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto series = pair.log_speeds();
  const auto low = interpolated(series, spec.between.low);
  const auto high = interpolated(series, spec.between.high);
  evidence.p_as_published = std::max(low.below_p(), high.above_p());
  evidence.p_opposite = std::min(1.0, 2 * std::min(low.above_p(), high.below_p()));
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

void weigh_step(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const bool expect_larger = spec.expect == Expect::larger;
  const auto step = pair.log_seconds(pair.kernel(), spec.seqlens);
  evidence.part.value = stats::step_ratios(step)[0].ratio;
  if (!pair.against().empty()) {
    // The step of time(kernel) / time(against): the noise that a process has in common for both cancels.
    const auto speeds = pair.log_speeds();
    test_side(stats::welch_difference(speeds[0].process_logs, speeds[1].process_logs), 0, expect_larger,
              evidence);
    evidence.part.other = stats::step_ratios(pair.log_seconds(pair.against(), spec.seqlens))[0].ratio;
    return;
  }
  // Growth per doubling of N, so that steps of other lengths compare; steps may share a length.
  std::map<std::int64_t, double> weights;
  const auto add = [&](const std::vector<std::int64_t>& lengths, double sign) {
    const double doublings = std::log2(static_cast<double>(lengths[1]) / static_cast<double>(lengths[0]));
    weights[lengths[1]] += sign / doublings;
    weights[lengths[0]] -= sign / doublings;
  };
  add(spec.seqlens, 1);
  add(spec.against_seqlens, -1);
  std::vector<stats::SampleMean> means;
  std::vector<double> signs;
  for (const auto& [seqlen, weight] : weights) {
    means.push_back(stats::sample_mean(pair.log_seconds(pair.kernel(), {seqlen})[0].process_logs));
    signs.push_back(weight);
  }
  test_side(stats::contrast(means, signs), 0, expect_larger, evidence);
  evidence.part.other = stats::step_ratios(pair.log_seconds(pair.kernel(), spec.against_seqlens))[0].ratio;
}

void weigh_slope(const PartSpec& spec, const Pair& pair, Evidence& evidence) {
  const auto slope = stats::log_log_slope(pair.log_seconds(pair.kernel(), spec.seqlens));
  evidence.part.value = slope.interval();
  const bool expect_above = spec.expect == Expect::above;
  if (!spec.has_direction()) return;
  if (spec.bound) return test_side(slope, *spec.bound, expect_above, evidence);
  // Of log(against / kernel): falls where the kernel's time rises more steeply.
  test_side(stats::log_log_slope(pair.log_speeds()), 0, !expect_above, evidence);
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
    auto partial = operands.partial(need.name, need.seqlen);
    if (!partial.empty()) return partial;
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
