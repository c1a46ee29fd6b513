#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/study.h"
#include "run/protocol/messages.h"
#include "store/records.h"

namespace attnbench {

/// A cell while it is being measured: the plan's description, the stored record, and where it stands.
struct CellState {
  Cell cell;
  CellRecord record;
  std::map<std::string, double> call_seconds;  ///< by kernel id, from verification
  /// Of kernels that passed it: why they are not to be ranked.
  std::map<std::string, std::string> unranked;
  bool verified_before = false;  ///< by an earlier invocation
  int next_process = 0;
  int valid_processes = 0;
  int tried_processes = 0;   ///< valid ones, and those that this invocation saw rejected, since the cell's
                             ///< kernel set last changed
  int startup_failures = 0;  ///< in a row, while measuring
  std::map<std::string, int> lost_workers;  ///< busy with the kernel, perhaps ended from outside
  double process_seconds = 0;               ///< of the last process; 0: none yet

  /// Kernels that may be timed: supported, verified, not quarantined.
  std::vector<KernelRequest> entrants(double limit_seconds) const;
  KernelRecord* find(const std::string& kernel_id);
  const KernelRecord* baseline() const;
  /// Ratios need a baseline: where it cannot be timed or ranked, the first of the cell's baselines that can
  /// takes its place, else the first kernel that can.
  /// Where none can be ranked it is one that can be timed, for its alias; no ratio will be taken to it.
  void choose_baseline();
};

/// The offered kernels that compute the cell's mechanisms and pass its filter; its baselines always.
std::vector<KernelRequest> candidates(const Cell& cell, const std::vector<KernelOffer>& offers,
                                      double limit_seconds);

/// Throws InputError for a kernel to be timed that is not offered: the plugin that had it is not loaded.
void require_offered(const CellState& state, const std::vector<KernelOffer>& offers);

/// A slot may take this long before it counts as a hang, from the kernel's call time.
double slot_limit_seconds(double call_seconds, double kernel_limit_seconds);

}  // namespace attnbench
