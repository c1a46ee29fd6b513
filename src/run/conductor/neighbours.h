#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "run/conductor/conduct.h"
#include "run/conductor/progress.h"

namespace attnbench {

/// Meets a busy machine early: after the first rejected processes it says once what disturbs and what to do,
/// it waits for quiet where that is asked for, and it ends a run of which nothing is accepted.
class Neighbours {
 public:
  Neighbours(const RunOptions& options, Progress& progress);

  /// With wait_quiet_seconds: waits until nothing over a threshold disturbs the machine that measures, or
  /// until that much has been waited in all. Throws Interrupted.
  void wait_for_quiet();
  /// A process was accepted, or rejected for this noise.
  void accepted() { accepted_ = true; }
  void rejected(const nlohmann::json& noise);
  /// Nothing was accepted so far, and too much rejected for hope.
  bool hopeless() const;

 private:
  /// Empty where the worker that looks is lost.
  std::optional<nlohmann::json> observe(double seconds) const;
  void advise(nlohmann::json noise);

  LaunchOptions launch_;
  Progress& progress_;
  double allowed_seconds_;
  double left_seconds_;
  bool accepted_ = false;
  int rejected_ = 0;
};

}  // namespace attnbench
