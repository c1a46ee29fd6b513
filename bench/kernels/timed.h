#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/kernel.h"
#include "core/buffer.h"
#include "reference/inputs.h"
#include "run/ceilings/ceilings.h"

namespace bench {

/// A kernel at one problem: batch 1, q, k and v dense in bhsd.
struct Entry {
  std::string mechanism;
  std::string kernel = "fused";
  attnbench::DType dtype = attnbench::DType::bf16;
  std::int64_t seqlen_q = 0;
  std::int64_t seqlen_kv = 0;
  std::int64_t head_dim = 64;
  std::int64_t heads = 8;
  int threads = 1;
  std::string path;  ///< empty: the default path, by the ceilings of this run
};

/// Something that can be timed again and again.
struct Timed {
  std::string path;    ///< of a kernel; unit of a compute ceiling
  double amount = 0;   ///< useful FLOPs (decode and bandwidth: compulsory bytes) of a call
  double queries = 0;  ///< queries times query heads of a call
  std::function<void()> call;
  std::shared_ptr<void> owned = nullptr;  ///< what `call` uses
};

/// The kernel made ready; `call` is empty where this machine has no path for it.
Timed prepare(const Entry& entry, const attnbench::Ceilings& ceilings);
/// The fastest arithmetic loop that a kernel of this element type may use, by `ceilings`.
Timed compute_ceiling(attnbench::DType dtype, int threads, const attnbench::Ceilings& ceilings);
/// Reads as many bytes, split over the threads.
Timed read_ceiling(std::int64_t bytes, int threads);

/// Seconds a call, one value a round.
struct Pair {
  std::vector<double> subject, reference;
};
/// Times both in turn, in batches of at least 0.3 ms or one call, each after an untimed one. One thread: CPU
/// time of that thread, so that time lent to a neighbour does not count; else wall time.
Pair measure_in_turn(const Timed& subject, const Timed& reference, int rounds, bool cpu_time);

/// Seconds a call, one value a round, in the same batches.
std::vector<double> measure(const Timed& timed, int rounds, bool cpu_time);

double median(std::vector<double> values);
/// The value below which that share of the values lies.
double quantile(std::vector<double> values, double share);

}  // namespace bench
