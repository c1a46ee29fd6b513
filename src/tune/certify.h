#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "io/json_document.h"
#include "stats/regret.h"
#include "tune/held_out.h"
#include "tune/tune.h"

namespace attnbench {

/// So many held-out problems, drawn, some of them on each number of threads that was tuned, make a
/// certificate that says "certified"; with fewer it says how many there are.
inline constexpr std::size_t kCertifiedProblems = 200;

struct CertifyOptions {
  /// How to start workers, the time for everything, limits; its mechanisms and element types are drawn from.
  TuneOptions measuring;
  std::string profile;  ///< file that the choices come from
  /// To draw, with those of `earlier`.
  std::size_t problems = kCertifiedProblems;
  /// Certificate in part, of the same measurements, that this one goes on with; null: none.
  JsonDocument earlier = {};
  std::vector<HeldOutProblem> traffic = {};  ///< beside those
  std::string traffic_file = {};             ///< its name, for people
};

/// What was measured of one problem, and what the dispatcher does with it.
struct CertifiedProblem {
  HeldOutProblem held_out;
  bool of_traffic = false;
  std::vector<std::string> kernels;                ///< that may be used, "kernel@engine[:path]"
  std::size_t chosen = 0, standard = 0;            ///< indices into them; standard: the documented default
  std::vector<std::vector<double>> seconds;        ///< by kernel, one a process, the same for all
  std::vector<std::vector<double>> seconds_again;  ///< of the worst, in other processes; else empty

  stats::RegretCase regret_case() const;
  stats::RegretCase regret_case_again() const;
};

/// A kernel counts as faster than the chosen one where it is shown to be so by more than this.
inline constexpr double kShownRatio = 1.08;

/// What choosing costs over problems of one kind: those drawn, or the user's.
struct Certified {
  stats::RegretSummary regret;
  std::size_t other_choices = 0;                 ///< problems where the default is not chosen
  std::vector<std::size_t> slower_than_default;  ///< shown
  stats::Interval gain_over_default;  ///< geometric mean of its time over that of the chosen kernel
  stats::FixedChoiceGain gain;        ///< over one kernel for all; the default where it cannot be used
  std::vector<std::string> fixed;     ///< names that gain.best counts
  std::vector<std::size_t> worst;     ///< largest cross-fitted regret first, at most `kWorst`
};
inline constexpr std::size_t kWorst = 10;
/// Pre: at least one problem.
Certified certified(const std::vector<CertifiedProblem>& problems);

struct CertifyResult {
  /// For the profile (docs/profile.schema.json), with what `earlier` held; null: refused.
  JsonDocument certificate;
  std::string refused;  ///< why there is none
  /// What is wanting in it to say "certified"; empty: nothing.
  std::string in_part;
  bool noise_accepted = false;  ///< in it, here or earlier
  std::vector<CertifiedProblem> drawn, traffic;
  std::set<int> tuned_threads;
  std::vector<std::string> left_out;  ///< what counts nowhere, and why
};

/// Measures what a dispatcher's choices cost on problems that were never used for tuning, of kinds that
/// tuning covers; others of the traffic are left out by name. Its choice, the documented default and all
/// other kernels that may be used are timed on each in the same fresh processes, at least four, kernels in
/// random order and backwards; even and odd processes are the two halves of cross-fitting (stats/regret.h).
/// The number of processes is what the budget allows, up to twelve, and the number of problems what it allows
/// with four; problems where a call is expected to exceed the limit, or that would take more than four times
/// their share of the budget, are not drawn, and nor are those with only one kernel. The worst are measured
/// again in as many other processes. A problem measured in fewer than four counts nowhere. There is no
/// certificate where the machine disturbs before anything is measured, where more than half of the processes
/// are disturbed, where the halves lie more than 5 % apart in the median, where no problem was measured, or
/// where a kernel fails. Throws InputError for a profile that is not trusted here or does not cover what is
/// to be drawn, and for an earlier certificate that cannot be read.
CertifyResult certify(const CertifyOptions& options,
                      const std::function<void(const std::string&)>& on_progress);

}  // namespace attnbench
