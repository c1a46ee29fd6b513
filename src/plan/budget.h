#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/study.h"

namespace attnbench {

/// Bytes of all tensors that a problem's timed call has; workspaces are the kernels' own.
std::int64_t tensor_bytes(const Problem& problem);
/// Bytes of its outputs alone.
std::int64_t output_bytes(const Problem& problem);
/// Bytes of a process that holds the tensors of every mechanism of the cell at once.
std::int64_t memory_bytes(const Cell& cell);

/// Call time before anything is measured: the longer of computing and moving at nominal rates.
double nominal_call_seconds(double executed_flops, double compulsory_bytes, double flops_per_second,
                            double bytes_per_second);

/// What one kernel is expected to take, measured or nominal.
struct KernelCost {
  std::string kernel_id;
  double call_seconds = 0;
  double prepare_seconds = 0;
};

struct CellCost {
  std::string cell_id;
  std::string baseline;  ///< id of the kernel that runs a second time as the A/A alias
  Condition condition = Condition::hot;
  std::vector<KernelCost> kernels;
  int processes = 0, blocks = 0;  ///< its own (with_own()); 0: the profile's
  int done_processes = 0;         ///< measured already; with any, no kernel of the cell is left out
  bool verified = false;          ///< already
};

/// Costs that are the machine's, not a kernel's.
struct Overheads {
  double process_start_seconds = 0;
  double sentinel_seconds = 0;  ///< once; it runs twice a block
  double eviction_seconds = 0;  ///< of the caches, before each cold call
  int verification_calls = 0;   ///< calls a kernel makes in its verification process
};

/// For estimates; measured on the two-core machines this was written on.
inline constexpr Overheads kOverheads{.process_start_seconds = 0.3,
                                      .sentinel_seconds = 1e-3,
                                      .eviction_seconds = 0.02,
                                      .verification_calls = 20};

/// One process that measures the cell once, by its own numbers where it has some, warm-up at its limits: an
/// upper estimate.
double process_seconds(const CellCost& cell, const Profile& profile, const Overheads& overheads);
/// All verification processes of the cell, one a kernel.
double verification_seconds(const CellCost& cell, const Overheads& overheads);
/// Verification and all processes of all cells that are not done yet, without processes that noise makes
/// repeat.
double study_seconds(const std::vector<CellCost>& cells, const Profile& profile, const Overheads& overheads);

/// A kernel left out of one cell; it is reported as "> limit_seconds" a call.
struct TooSlow {
  std::string cell_id, kernel_id;
  double limit_seconds = 0;

  bool operator==(const TooSlow&) const = default;
};

/// Leaves kernels out of `cells` until so many processes of each fit, the slowest call of all cells first and
/// equal ones together, or only baselines and cells already begun remain. Looks at expected call times alone,
/// never at which kernel wins.
std::vector<TooSlow> leave_out_too_slow(double budget_seconds, std::vector<CellCost>& cells,
                                        const Profile& profile, const Overheads& overheads, int processes);

struct BudgetPlan {
  Profile profile;    ///< with the number of processes that fits
  int processes = 0;  ///< that a cell has at most; more than `profile` has where cells have their own
  double seconds = 0;
  std::vector<TooSlow> too_slow;
};

/// Lowers the number of processes, the same for all cells, until the study fits; never below 2. Where 2 do
/// not fit, kernels are left out (leave_out_too_slow()). Throws InputError("budget", ...) with the time
/// needed when leaving out all but the baselines does not suffice.
BudgetPlan fit_budget(double budget_seconds, std::vector<CellCost> cells, const Profile& profile,
                      const Overheads& overheads);

}  // namespace attnbench
