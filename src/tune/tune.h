#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/problem.h"
#include "dispatch/profile.h"

namespace attnbench {

struct TuneOptions {
  std::string program;  ///< path of attnbench, which is started as worker
  std::vector<std::string> plugins;
  std::vector<int> threads = {0};  ///< each is measured for itself; 0: all physical cores
  std::vector<DType> dtypes;
  std::vector<Mechanism> mechanisms;  ///< as parsed, heads of K and V not bound
  double budget_seconds = 120;        ///< for everything
  double call_limit_seconds = 0.5;    ///< a call expected to take longer is not made
  std::int64_t memory_bytes = 0;      ///< of one cell, tensors and workspaces; 0: no limit
  std::uint64_t seed = 1;
  bool accept_noise = false;  ///< the profile says so
};

/// A kernel that is in no profile, and why.
struct TuneFailure {
  std::string kernel, problem, reason;
};

struct TuneResult {
  std::optional<CostProfile> profile;  ///< nothing where the machine was too noisy to tell
  std::string refused;                 ///< why there is none
  std::vector<TuneFailure> failures;
  int processes = 0, rejected = 0;  ///< that measured, and those of them that noise made worthless
  int cells = 0;                    ///< measured, in processes that counted
};

/// Measures this machine's kernels for a profile. First each kernel is verified in a process of its own on
/// verification_problems(); one that fails is timed nowhere. Then fresh worker processes, with a share of the
/// budget each, measure cells of the grid, one mechanism each with all its kernels: the first those that are
/// coarse, the cheapest first, the others those where the choice between kernels, by what is known then,
/// promises to lose most time for each second of measuring (most_worthwhile()). A process that the noise
/// guard rejects puts nothing into the profile; where the machine disturbs before anything is measured, or
/// more than half of the processes, or fewer than two count, there is none. Throws InputError where no worker
/// starts.
TuneResult tune(const TuneOptions& options, const std::function<void(const std::string&)>& on_progress);

}  // namespace attnbench
