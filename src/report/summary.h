#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "stats/intervals.h"
#include "store/store.h"

namespace attnbench {

/// What the valid samples of valid processes say of one kernel in one cell, or why there is nothing to say.
struct KernelSummary {
  KernelRecord kernel;
  std::string status;  ///< ok, unsupported, wrong, failed, quarantined, not measured
  std::string reason;  ///< empty when ok
  int processes = 0;   ///< with a value
  /// Mean of process means over the blocks' batches, seconds a call. Present when ok.
  std::optional<stats::Interval> seconds;
  /// time of the baseline / time of this kernel, paired by block. Absent without a measured baseline.
  std::optional<stats::Interval> ratio;
};

struct CellSummary {
  CellRecord cell;
  int valid_processes = 0;
  std::vector<std::string> invalid_reasons;  ///< one an invalid process
  std::string baseline;                      ///< kernel id; empty when the cell has none
  /// The baseline measured against its alias, the same kernel as a second entry: 1 where nothing disturbs.
  std::optional<stats::Interval> aa_ratio;
  std::vector<KernelSummary> kernels;  ///< canonical order

  /// N: the number of keys, in prefill also that of queries.
  std::int64_t seqlen() const { return cell.shape.seqlen_kv; }
};

struct RunSummary {
  RunRecord run;
  std::vector<CellSummary> cells;
};

/// The order of all tables: by mechanism, its parameters from small to large, then as declared.
bool canonically_before(const KernelRecord& a, const KernelRecord& b);

/// From stored data only. A kernel with a failure of any stage is not ranked: it has its reason and no times;
/// no ratio is taken to such a baseline.
/// Throws InputError when the store has no such run.
RunSummary summarize(const Store& store, std::int64_t run_id);

/// "orientation: 3 processes, not for publication" for quick and spec; what the published means lack; empty
/// for publish.
std::string standing(const RunSummary& summary);

/// Machine-readable form of the table. Times in seconds; an unknown bound is null.
nlohmann::json run_summary(const Store& store, std::int64_t run_id);

}  // namespace attnbench
