#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/registry.h"
#include "plan/study.h"
#include "run/ceilings/earlier.h"
#include "run/conductor/worker_process.h"

namespace attnbench {

struct RunOptions {
  Study study;
  Profile profile;
  std::uint64_t seed = 1;
  std::string out;  ///< the store
  LaunchOptions launch;
  std::string against;  ///< path of another build's program, where the workers run; measured beside this one
  std::optional<double> budget_seconds;  ///< to plan for, or, where the profile has one, to spend
  double kernel_limit_seconds = 60;      ///< a kernel that gives no result for so long is a hang
  bool accept_noise = false;             ///< noise is recorded but invalidates nothing; the results say so
  double wait_quiet_seconds = 0;         ///< in all, for a machine on which nothing disturbs
  bool quiet = false;
  std::optional<EarlierCeilings> ceilings;  ///< taken instead of measuring those of as many threads
  std::vector<MissingEngine>
      missing_engines;  ///< asked for by the run and not to be had, besides the build's
  std::string command;  ///< that asks for this run, to be stored with the plan; empty: not known
};

/// How a run ended, for the exit code.
struct RunOutcome {
  bool interrupted = false;
  bool too_noisy = false;            ///< ended early: the noise guard rejected every process
  bool kernel_failed = false;        ///< a kernel failed, was wrong or impossible
  bool cell_without_result = false;  ///< noise left a cell without a valid process
  bool cell_incomplete = false;      ///< a cell has fewer valid processes than planned; resumed, it goes on
  bool budget_spent = false;         ///< the same, since the profile's budget was spent
};

/// Measures a study into a store: probe, verification, then replicates of all cells until each has its
/// processes, or, where the profile has a budget, in its fixed order until that is spent. With `against`,
/// workers of both builds take turns, and the store holds a run of each, this build's first. Goes on where an
/// earlier run with the same plan, build and machine stopped. Every finished process is committed before the
/// next begins. Throws InputError for bad input and a store of another plan, build or machine.
RunOutcome conduct(const RunOptions& options);

}  // namespace attnbench
