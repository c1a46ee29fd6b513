#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/problem.h"
#include "io/json_document.h"

namespace attnbench {

/// What identifies a run; a store holds one run, or several after import.
struct RunRecord {
  std::string study;
  std::string profile;
  std::uint64_t seed = 0;
  std::string plan_hash;    ///< hex, over study, profile, seed; of the older of two builds "-old" is added
  std::string build_id;     ///< hex, of the measuring program
  std::string machine_key;  ///< hex; stable, no host name
  /// Study and profile as run, for resume and dry reading; "command" that asks for the same, where known. Of
  /// two builds measured together: "pair" with role (new, old) and both build ids.
  JsonDocument plan;
  /// Probe of the measuring machine, libraries, ceilings, noise thresholds; "workers": allowed_cpus and
  /// plugins (file, hash) of every worker.
  JsonDocument environment;

  bool operator==(const RunRecord&) const = default;
};

/// What people and files call the machine of a run: environment["machine"] where it is given, else the CPU
/// model (environment["cpu"]["model"]) without trade marks, and the first 8 digits of the machine key.
std::string machine_label(const RunRecord& run);
/// plan["pair"]["role"]: "new" or "old" of two builds measured together, empty of one alone.
std::string role_in_pair(const RunRecord& run);
/// Whether processes counted whatever disturbed them; stores of before there was a choice had the guard on.
bool noise_guard_was_off(const RunRecord& run);

/// One kernel of a cell, supported or not.
struct KernelRecord {
  std::string mechanism, kernel, engine, path;  ///< mechanism: canonical text, parameters included
  std::int64_t num_kv_heads = 0;
  std::string support_reason;  ///< empty: supported
  bool is_baseline = false;
  std::optional<std::int64_t> batch_calls;  ///< set once, before the cell's first process
  std::string quarantine_reason;            ///< empty: in the cell's set

  /// "mechanism/kernel@engine[:path]".
  std::string id() const;
};

struct CellRecord {
  std::string cell_id;
  std::string device;
  int threads = 0;
  std::vector<int> cpus;
  std::string condition, phase, scope;
  Shape shape;
  std::vector<KernelRecord> kernels;
};

struct VerificationRecord {
  std::string cell_id, kernel_id;
  bool passed = false;
  std::string reason;      ///< of a failure, in words
  double max_error = 0;    ///< max |o - oracle|
  double plain_error = 0;  ///< of the plain same-precision form
  double tolerance = 0;
  double median_call_seconds = 0;
  std::optional<bool> rerun_bitwise, unchanged_alone, unchanged_in_batch, unchanged_threads;
  std::int64_t workspace_bytes = 0;
  std::int64_t peak_bytes = 0;  ///< growth of resident memory over one call
  double prepare_seconds = 0;
  double first_call_seconds = 0;
};

/// One slot, or one single call of the unbatched run.
struct SampleRecord {
  int block = 0;          ///< -1 in the unbatched run
  int position = 0;       ///< slot in the block; call number in the unbatched run
  std::string role;       ///< kernel, alias, sentinel, unbatched
  std::string kernel_id;  ///< empty for the sentinel
  std::int64_t batch_calls = 1;
  double time_seconds = 0;  ///< per call
  int priming_calls = 0;
  bool valid = true;
  std::string reason;
};

struct ProcessRecord {
  std::string cell_id;
  int process = 0;  ///< replicate number within the cell, from 0; a retry takes a new number
  bool valid = true;
  std::string reason;
  std::string started_utc;  ///< ISO 8601
  std::string boot_id;
  std::vector<std::vector<int>> orders;    ///< kernel positions by block, as indices into `order_kernels`
  std::vector<std::string> order_kernels;  ///< kernel ids; the alias is "alias"
  JsonDocument noise;                      ///< steal, PSI, switches, throttling, clock, sentinel drift
  JsonDocument kernels;  ///< per kernel id: warm-up calls, flags, prepare time, re-check results
  std::vector<SampleRecord> samples;
};

/// Something that went wrong with one kernel: never lost, shown in its row.
struct FailureRecord {
  std::string cell_id;
  std::string kernel_id;  ///< empty: of the whole cell
  std::string stage;      ///< verify, prepare, measure, recheck
  std::string reason;
};

/// All that a store holds of one run. Cells in the order they were added; processes by cell and number,
/// their samples by (block, position, role, kernel id).
struct RunContents {
  RunRecord run;
  std::vector<CellRecord> cells;
  std::vector<VerificationRecord> verifications;
  std::vector<ProcessRecord> processes;
  std::vector<FailureRecord> failures;
};

}  // namespace attnbench
