#pragma once

#include <string>
#include <string_view>

#include "stats/aa_gate.h"
#include "stats/intervals.h"
#include "stats/verdicts.h"

namespace attnbench {

/// A unit of time and how many of it make a second.
struct TimeUnit {
  const char* name;
  double per_second;
};
/// us, ms or s, such that the given time is at least 1 of it where possible.
TimeUnit unit_for(double seconds);

/// Three significant digits, whole numbers from 100 on: "0.871", "12.3", "6914"; "1e+300" from a million on.
std::string three_digits(double value);
/// Half the interval's width in percent of the estimate, "1.2", "15", ">999"; "-" where it is unbounded.
std::string half_width_percent(const stats::Interval& interval);
/// "0.87", "5.70", "12.3"; "1e+300" from a million on, "1e-30" below 0.0005.
std::string ratio_text(double ratio);
/// "0.85-0.89"; "-" where it is unbounded.
std::string range_text(const stats::Interval& ratio);

/// "2 %", of a margin of equivalence.
std::string margin_text(double margin_ratio);
/// "0.996-1.012": AaCheck::deciding to three decimals, or more where fewer would hide that it reaches beyond
/// the margin; "-" where it is unbounded.
std::string aa_range_text(const stats::AaCheck& aa);
/// "1.004 (90 % CI 0.996-1.012, within ±2 %)", "..., not within ±2 %)".
std::string aa_text(const stats::AaCheck& aa);
/// "FASTER", "EQUIVALENT ±2 %": with the margin that it was tested against.
std::string verdict_text(stats::Verdict verdict, double margin_ratio);
std::string verdict_text(const stats::Judgement& judgement);

/// Said of a kernel whose engine could not tell which implementation ran.
inline constexpr std::string_view kNotConfirmed = "not confirmed";

}  // namespace attnbench
