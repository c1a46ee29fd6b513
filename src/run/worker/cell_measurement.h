#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "plan/study.h"
#include "reference/inputs.h"
#include "run/bound_call.h"
#include "run/noise/sentinel.h"
#include "run/protocol/messages.h"
#include "run/worker/slot_timer.h"

namespace attnbench {

/// What one measuring process does, beyond the cell itself.
struct MeasurementPlan {
  Cell cell;
  std::vector<KernelChoice> kernels;  ///< the baseline is kernels[baseline]
  std::size_t baseline = 0;
  std::vector<std::vector<int>> orders;  ///< by block: indices into kernels; kernels.size() is the alias
  int unbatched_calls = 0;
  int warmup_limit_calls = 50;
  double warmup_limit_seconds = 2;
  std::uint64_t data_seed = 0;
};
nlohmann::json to_json(const MeasurementPlan& plan);
MeasurementPlan measurement_plan_from_json(const nlohmann::json& in);

/// Measures one cell in this process: all its kernels, the alias, the sentinel, in the planned order.
class CellMeasurement {
 public:
  /// Called before each step of each kernel: (kernel id, stage, seconds it may take).
  using Announce = std::function<void(const std::string&, const std::string&, double)>;

  /// The sentinel works on the host, whatever the device.
  CellMeasurement(MeasurementPlan plan, Device& device, int sentinel_threads, Announce announce);
  ~CellMeasurement();

  /// Allocates, prepares and warms up each kernel. Returns {kernel id: {...}}.
  nlohmann::json prepare();
  /// Samples of one block as an array of SampleRecord objects; block -1 is the unbatched run.
  nlohmann::json run_block(int block);
  /// Re-checks every kernel's last output, and that of one more call into a poisoned output, against the
  /// oracle; the inputs of that call against their hash.
  /// Returns {kernel id: {passed, reason, ...}}.
  nlohmann::json recheck();
  /// Times of the sentinel so far, in order.
  const std::vector<double>& sentinel_seconds() const { return sentinel_seconds_; }

 private:
  struct Entrant;

  Entrant& entrant(int index);
  nlohmann::json run_slot(Entrant& entrant, int block, int position);
  nlohmann::json run_sentinel(int block, int position);
  nlohmann::json run_unbatched();
  const reference::ProblemData& inputs_for(const Problem& problem);

  MeasurementPlan plan_;
  Device& device_;
  Announce announce_;
  TimingRules rules_;
  std::unique_ptr<Queue> queue_;
  std::vector<std::pair<Problem, reference::ProblemData>> inputs_;  ///< one for each num_kv_heads
  std::vector<std::unique_ptr<Entrant>> entrants_;
  Sentinel sentinel_;
  std::vector<double> sentinel_seconds_;
};

}  // namespace attnbench
