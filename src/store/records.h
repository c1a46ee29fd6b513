#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/problem.h"
#include "core/ceilings.h"
#include "io/fields.h"
#include "io/json_document.h"

namespace attnbench {

// Beside each record stands the one list of its fields (io/fields.h): visit_fields() calls visit(name, field)
// for each, in order. What belongs to a record and is a record itself (a cell's kernels, a process's samples)
// is not in its list.

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

template <RecordOf<RunRecord> Record, typename Visit>
void visit_fields(Record& run, Visit&& visit) {
  visit("study", run.study);
  visit("profile", run.profile);
  visit("seed", run.seed);
  visit("plan_hash", run.plan_hash);
  visit("build_id", run.build_id);
  visit("machine_key", run.machine_key);
  visit("plan", run.plan);
  visit("environment", run.environment);
}

/// What the run measured of the CPU with so many threads, environment["ceilings"], or was told of another
/// device, environment["devices"]; nothing where it has none.
std::optional<Ceilings> stored_ceilings(const RunRecord& run, const std::string& device, int threads);
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
  /// Of the paths of this kernel the one to show where one is shown (core/decisions.h). True for a kernel
  /// that has one, or none that is supported.
  bool is_default_path = true;
  std::string form = "direct";  ///< direct or fused (core/decisions.h)

  /// "mechanism/kernel@engine[:path]".
  std::string id() const;

  bool operator==(const KernelRecord&) const = default;
};

template <RecordOf<KernelRecord> Record, typename Visit>
void visit_fields(Record& kernel, Visit&& visit) {
  visit("mechanism", kernel.mechanism);
  visit("kernel", kernel.kernel);
  visit("engine", kernel.engine);
  visit("path", kernel.path);
  visit("num_kv_heads", kernel.num_kv_heads);
  visit("support_reason", kernel.support_reason);
  visit("is_baseline", kernel.is_baseline);
  visit("batch_calls", kernel.batch_calls);
  visit("quarantine_reason", kernel.quarantine_reason);
  visit("is_default_path", kernel.is_default_path);
  visit("form", kernel.form);
}

struct CellRecord {
  std::string cell_id;
  std::string device;
  int threads = 0;
  std::vector<int> cpus;
  std::string condition, phase, scope;
  Shape shape;
  std::vector<KernelRecord> kernels;

  bool operator==(const CellRecord&) const = default;
};

template <RecordOf<CellRecord> Record, typename Visit>
void visit_fields(Record& cell, Visit&& visit) {
  visit("cell_id", cell.cell_id);
  visit("device", cell.device);
  visit("threads", cell.threads);
  visit("cpus", cell.cpus);
  visit("condition", cell.condition);
  visit("phase", cell.phase);
  visit("scope", cell.scope);
  visit("shape", cell.shape);
}

struct VerificationRecord {
  std::string cell_id, kernel_id;
  bool passed = false;
  /// Of a failure, in words; of what passed why it is not to be ranked: "less exact: ..", "computes another
  /// function: .."; else empty.
  std::string reason;
  double max_error = 0;    ///< max |o - oracle|
  double plain_error = 0;  ///< of the plain same-precision form
  double tolerance = 0;
  double median_call_seconds = 0;
  std::optional<bool> rerun_bitwise, unchanged_alone, unchanged_in_batch, unchanged_threads;
  std::int64_t workspace_bytes = 0;
  std::int64_t peak_bytes = 0;  ///< growth of resident memory over one call
  double prepare_seconds = 0;   ///< what is started once a process counts for the first kernel there
  double first_call_seconds = 0;

  bool operator==(const VerificationRecord&) const = default;
};

template <RecordOf<VerificationRecord> Record, typename Visit>
void visit_fields(Record& verification, Visit&& visit) {
  visit("cell_id", verification.cell_id);
  visit("kernel_id", verification.kernel_id);
  visit("passed", verification.passed);
  visit("reason", verification.reason);
  visit("max_error", verification.max_error);
  visit("plain_error", verification.plain_error);
  visit("tolerance", verification.tolerance);
  visit("median_call_seconds", verification.median_call_seconds);
  visit("rerun_bitwise", verification.rerun_bitwise);
  visit("unchanged_alone", verification.unchanged_alone);
  visit("unchanged_in_batch", verification.unchanged_in_batch);
  visit("unchanged_threads", verification.unchanged_threads);
  visit("workspace_bytes", verification.workspace_bytes);
  visit("peak_bytes", verification.peak_bytes);
  visit("prepare_seconds", verification.prepare_seconds);
  visit("first_call_seconds", verification.first_call_seconds);
}

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

  bool operator==(const SampleRecord&) const = default;
};

template <RecordOf<SampleRecord> Record, typename Visit>
void visit_fields(Record& sample, Visit&& visit) {
  visit("block", sample.block);
  visit("position", sample.position);
  visit("role", sample.role);
  visit("kernel_id", sample.kernel_id);
  visit("batch_calls", sample.batch_calls);
  visit("time_seconds", sample.time_seconds);
  visit("priming_calls", sample.priming_calls);
  visit("valid", sample.valid);
  visit("reason", sample.reason);
}

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

  bool operator==(const ProcessRecord&) const = default;
};

template <RecordOf<ProcessRecord> Record, typename Visit>
void visit_fields(Record& process, Visit&& visit) {
  visit("cell_id", process.cell_id);
  visit("process", process.process);
  visit("valid", process.valid);
  visit("reason", process.reason);
  visit("started_utc", process.started_utc);
  visit("boot_id", process.boot_id);
  visit("orders", process.orders);
  visit("order_kernels", process.order_kernels);
  visit("noise", process.noise);
  visit("kernels", process.kernels);
}

/// Something that went wrong with one kernel: never lost, shown in its row.
struct FailureRecord {
  std::string cell_id;
  std::string kernel_id;  ///< empty: of the whole cell
  std::string stage;      ///< verify, prepare, measure, recheck
  std::string reason;

  bool operator==(const FailureRecord&) const = default;
};

template <RecordOf<FailureRecord> Record, typename Visit>
void visit_fields(Record& failure, Visit&& visit) {
  visit("cell_id", failure.cell_id);
  visit("kernel_id", failure.kernel_id);
  visit("stage", failure.stage);
  visit("reason", failure.reason);
}

/// All that a store holds of one run. Cells in the order they were added; processes by cell and number,
/// their samples by (block, position, role, kernel id).
struct RunContents {
  RunRecord run;
  std::vector<CellRecord> cells;
  std::vector<VerificationRecord> verifications;
  std::vector<ProcessRecord> processes;
  std::vector<FailureRecord> failures;

  bool operator==(const RunContents&) const = default;
};

}  // namespace attnbench
