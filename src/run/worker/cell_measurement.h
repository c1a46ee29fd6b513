#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "plan/study.h"
#include "reference/inputs.h"
#include "run/bound_call.h"
#include "run/noise/sentinel.h"
#include "run/protocol/messages.h"
#include "run/worker/slot_timer.h"

namespace attnbench {

/// Measures one cell in this process: all its kernels, the alias, the sentinel, in the planned order.
class CellMeasurement {
 public:
  /// Called before each step of each kernel: (kernel id, stage, seconds it may take).
  using Announce = std::function<void(const std::string&, const std::string&, double)>;

  /// The sentinel works on the host, whatever the device. Throws InputError for a kernel that this build does
  /// not register.
  CellMeasurement(MeasurementPlan plan, Device& device, int sentinel_threads, Announce announce);
  ~CellMeasurement();

  /// Allocates, prepares and warms up each kernel.
  std::vector<PreparedKernel> prepare();
  /// Samples of one block; block -1 is the unbatched run.
  std::vector<SampleRecord> run_block(int block);
  /// Re-checks every kernel's last output, and that of one more call into a poisoned output, against the
  /// oracle; the inputs of that call against their hash.
  std::vector<RecheckedKernel> recheck();
  /// Times of the sentinel so far, in order.
  const std::vector<double>& sentinel_seconds() const { return sentinel_seconds_; }

 private:
  struct Entrant;

  Entrant& entrant(int index);
  /// Before an engine's calls: once those of the engine before it have come to rest.
  void take_turn(std::string_view engine);
  /// Empties the caches for the next call of this engine.
  void evict_for(std::string_view engine);
  SampleRecord run_slot(Entrant& entrant, int block, int position);
  SampleRecord run_sentinel(int block, int position);
  std::vector<SampleRecord> run_unbatched();
  const reference::ProblemData& inputs_for(const Problem& problem);

  MeasurementPlan plan_;
  std::vector<KernelChoice> choices_;  ///< by the plan's kernels
  Device& device_;
  Announce announce_;
  TimingRules rules_;
  std::unique_ptr<Queue> queue_;
  std::vector<std::pair<Problem, reference::ProblemData>> inputs_;  ///< one for each num_kv_heads
  std::vector<std::unique_ptr<Entrant>> entrants_;
  Sentinel sentinel_;
  std::vector<double> sentinel_seconds_;
  std::string turn_;  ///< the engine whose calls were the last
};

}  // namespace attnbench
