#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"
#include "tune/certify.h"
#include "tune/coverage.h"
#include "tune/measuring.h"

namespace attnbench {

/// A process of certifying measures so long: one that is disturbed costs no more.
inline constexpr double kProcessSeconds = 15;
inline constexpr double kProcessStartSeconds = 0.3;
/// How each problem is timed in each of them.
inline constexpr TimingEffort kCertifyEffort{.blocks = 2, .warm_up_calls = 5, .warm_up_seconds = 0.05};

/// A problem while it is measured.
struct Subject {
  CertifiedProblem found;
  std::vector<ExpectedCall> calls;  ///< of found.kernels
  double expected_seconds = 0;      ///< of one process
  /// By process that counted, the times of found.kernels.
  std::vector<std::vector<double>> rounds;
};

/// Devices of several numbers of threads and their dispatchers by one profile.
class Places {
 public:
  explicit Places(std::string profile) : profile_(std::move(profile)) {}

  struct Place {
    Place(int threads, const std::string& profile)
        : device(cpu_device(threads)), dispatcher(device, {.profile = profile}) {}
    CpuDevice device;
    Dispatcher dispatcher;
  };
  const Place& at(int threads);

 private:
  std::string profile_;
  std::map<int, std::unique_ptr<Place>> places_;
};

/// With what is expected of its kernels; nothing, and why, where it cannot be timed or leaves no choice.
std::optional<Subject> subject_of(const HeldOutProblem& held_out, const Places::Place& place,
                                  const TuneOptions& measuring, std::string& why_not);

/// What drawing goes by.
struct DrawRequest {
  std::size_t count = 0;     ///< problems, at most
  double pool_seconds = 0;   ///< for drawing
  double round_seconds = 0;  ///< all problems in one process each
  std::vector<int> threads;
  std::uint64_t seed = 0;
  std::vector<HeldOutProblem> known;  ///< not to be drawn again
};
struct DrawnSubjects {
  std::vector<Subject> subjects;
  double longest_seconds = 0;  ///< that a problem was allowed to take in a process
  /// Why draws were given up that tuning did not cover, and how many.
  std::map<std::string, int> not_covered;
};
/// As many problems as asked for, out of more that are drawn once: the first that take no longer than four
/// times their share of a round, or shorter ones; where the round does not reach for so many, the first that
/// it reaches for. None of them was timed for the profile, and tuning covers all.
DrawnSubjects draw_subjects(const DrawRequest& request, const TunedCoverage& coverage, Places& places,
                            const TuneOptions& measuring);

}  // namespace attnbench
