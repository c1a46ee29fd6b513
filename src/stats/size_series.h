#pragma once

#include <span>
#include <vector>

namespace attnbench::stats {

/// What the processes of one cell say at one sequence length: one logarithm a process, of its time or of
/// its ratio to the baseline. Processes of different lengths are different processes: independent.
struct SizePoint {
  double seqlen = 0;
  std::vector<double> process_logs;
};

/// Throws InputError for fewer than two points, lengths that are not above 0 and rising, a point without
/// processes, or a value not finite.
void check_series(std::span<const SizePoint> series);

}  // namespace attnbench::stats
