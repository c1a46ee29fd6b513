#include "analysis/format.h"

#include <fmt/format.h>

#include <string>

namespace attnbench {

TimeUnit unit_for(double seconds) {
  if (seconds >= 1) return {"s", 1};
  if (seconds >= 1e-3) return {"ms", 1e3};
  return {"us", 1e6};
}

namespace {

/// From here on digits tell nothing and would fill the line.
constexpr double kTooManyDigits = 999'999.5;

}  // namespace

std::string three_digits(double value) {
  if (value >= kTooManyDigits) return fmt::format("{:.3g}", value);
  // The bounds are where rounding would carry into a fourth digit.
  const int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string half_width_percent(const stats::Interval& interval) {
  if (!interval.is_bounded()) return "-";
  const double percent = (interval.high - interval.low) / 2 / interval.estimate * 100;
  if (!(percent < 999.5)) return ">999";
  return fmt::format("{:.{}f}", percent, percent >= 9.95 ? 0 : 1);
}

std::string ratio_text(double ratio) {
  if (ratio >= kTooManyDigits || (ratio > 0 && ratio < 0.0005)) return fmt::format("{:.3g}", ratio);
  const int decimals = ratio >= 99.95 ? 0 : ratio >= 9.995 ? 1 : ratio >= 0.0995 ? 2 : 3;
  return fmt::format("{:.{}f}", ratio, decimals);
}

std::string range_text(const stats::Interval& ratio) {
  if (!ratio.is_bounded()) return "-";
  return fmt::format("{}-{}", ratio_text(ratio.low), ratio_text(ratio.high));
}

std::string margin_text(double margin_ratio) { return fmt::format("{:.3g} %", 100 * (margin_ratio - 1)); }

std::string aa_range_text(const stats::AaCheck& aa) {
  if (!aa.deciding.is_bounded()) return "-";
  constexpr int kMostDecimals = 6;
  for (int decimals = 3;; ++decimals) {
    const auto shown = [&](double value) { return fmt::format("{:.{}f}", value, decimals); };
    const auto low = shown(aa.deciding.low);
    const auto high = shown(aa.deciding.high);
    const bool beyond = std::stod(low) < std::stod(shown(1 / aa.margin_ratio)) ||
                        std::stod(high) > std::stod(shown(aa.margin_ratio));
    if (aa.equivalent || beyond || decimals == kMostDecimals) return low + "-" + high;
  }
}

std::string aa_text(const stats::AaCheck& aa) {
  return fmt::format("{:.3f} ({} {}, {}within ±{})", aa.ratio.estimate,
                     aa.modes ? "modes, 95 % CI" : "90 % CI", aa_range_text(aa), aa.equivalent ? "" : "not ",
                     margin_text(aa.margin_ratio));
}

std::string verdict_text(stats::Verdict verdict, double margin_ratio) {
  const auto words = std::string(stats::to_string(verdict));
  return verdict == stats::Verdict::kEquivalent ? words + " ±" + margin_text(margin_ratio) : words;
}

std::string verdict_text(const stats::Judgement& judgement) {
  return verdict_text(judgement.verdict, judgement.margin_ratio);
}

}  // namespace attnbench
