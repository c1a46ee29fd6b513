#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/kernel.h"
#include "attnbench/problem.h"
#include "run/conductor/worker_process.h"
#include "tune/tune.h"

namespace attnbench {

/// Why the machine is too noisy to begin, by a second of watching it; nothing where it is not, or where noise
/// is accepted.
std::optional<std::string> noise_before(const TuneOptions& options, int threads);

/// Seconds of a call before anything is measured, at rates that any machine reaches within a factor of ten.
double nominal_seconds(const Problem& problem, int threads);

/// How long a kernel is timed on one problem in one process.
struct TimingEffort {
  int blocks = 3;  ///< slots of each kernel, every other one in the reverse order of kernels
  int warm_up_calls = 10;
  double warm_up_seconds = 0.1;
};

/// A kernel to time, and what a call is expected to take.
struct ExpectedCall {
  const KernelInfo* kernel = nullptr;
  double seconds = 0;
};
/// Of timing them all once: data, messages, warm-up and slots. An upper estimate.
double cell_seconds(const Problem& problem, const std::vector<ExpectedCall>& calls,
                    const TimingEffort& effort);

/// A problem and its kernels in one worker.
struct CellRequest {
  Problem problem;
  int threads = 0;
  std::vector<ExpectedCall> calls;
  TimingEffort effort;
  std::uint64_t seed = 0;  ///< of the inputs and of the order of kernels
};
/// Median of each kernel's slots, seconds a call. Kernels that do not fit into memory are left out; empty
/// where fewer than two remain. Adds the sentinel's times to `sentinel`. Throws WorkerLost.
std::map<const KernelInfo*, double> time_cell(WorkerProcess& worker, const CpuDevice& device,
                                              const CellRequest& request, std::int64_t memory_bytes,
                                              std::vector<double>& sentinel);

/// How a worker's life ended. What it measured counts only where neither is set.
struct LifeEnd {
  std::string lost_kernel, lost_reason;  ///< "kernel@engine[:path]" that failed, and how
  std::optional<std::string> disturbed;  ///< what the noise guard rejects
  bool counts() const { return lost_kernel.empty() && !disturbed; }
};
/// Starts a worker, lets `measure` use it, has it judge the kernels' last outputs, and asks the noise guard.
/// Throws InputError where a worker was lost and no kernel is to blame.
LifeEnd run_worker(const TuneOptions& options, const CpuDevice& device, int threads, std::uint64_t seed,
                   const std::function<void(WorkerProcess&, std::vector<double>& sentinel)>& measure);

}  // namespace attnbench
