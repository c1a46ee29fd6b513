#pragma once

#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench::bench {

/// So many processes of a cell are one replicate: what one study would have measured of it.
struct Replicate {
  std::vector<std::string> kernels;             ///< ids, all of the same code
  std::string baseline;                         ///< one of them
  std::vector<const ProcessRecord*> processes;  ///< valid
};

/// The valid processes of each cell cut into replicates of `processes`, in their order; what is left over at
/// the end of a cell is not used. Throws InputError for a kernel that is not of engine "aa": the study's, all
/// the same.
std::vector<Replicate> replicates(std::span<const RunContents> runs, int processes);

/// Share of the pairs of kernels that a design declares different at 5 % in one replicate; the true share is
/// 0.
///
/// The design of this program: per process the median over blocks of the log-ratio, then a t test over
/// processes.
double paired_processes(const Replicate& replicate);
/// The same times, pooled as if independent: Welch's test on all blocks' batches.
double pooled_batches(const Replicate& replicate);
/// The published design: single calls, a kernel's one after the other in each process, pooled over
/// processes; Welch's test. NaN where the store has none.
double pooled_calls(const Replicate& replicate);
/// Whether one or more of the comparisons with the baseline is called FASTER or SLOWER (stats::judge_family).
bool has_false_verdict(const Replicate& replicate);

}  // namespace attnbench::bench
