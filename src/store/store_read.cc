#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "store/check_records.h"
#include "store/store_impl.h"

namespace attnbench {
namespace {

using sqlite::Statement;

/// Calls `read` for each row, and names file and table in its errors.
template <typename Read>
void for_each_row(const sqlite::Connection& connection, const char* table, Statement& rows, Read read) {
  while (rows.next()) {
    try {
      read();
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: table {}: {}", connection.file(), table, error.what()));
    }
  }
}

std::map<std::int64_t, std::vector<KernelRecord>> kernels_by_cell(const sqlite::Connection& connection,
                                                                  std::int64_t run) {
  std::map<std::int64_t, std::vector<KernelRecord>> kernels;
  Statement rows(
      connection,
      "SELECT kernel.cell, mechanism, kernel, engine, path, num_kv_heads, support_reason, is_baseline,"
      " batch_calls, quarantine_reason"
      " FROM kernel JOIN cell ON cell.id = kernel.cell WHERE cell.run = ? ORDER BY cell.id, ordinal");
  rows.with(run);
  for_each_row(connection, "kernel", rows, [&] {
    auto& list = kernels[rows.take<std::int64_t>()];
    KernelRecord k;
    k.mechanism = rows.take<std::string>();
    k.kernel = rows.take<std::string>();
    k.engine = rows.take<std::string>();
    k.path = rows.take<std::string>();
    k.num_kv_heads = rows.take<std::int64_t>();
    k.support_reason = rows.take<std::string>();
    k.is_baseline = rows.take<bool>();
    k.batch_calls = rows.take<std::optional<std::int64_t>>();
    k.quarantine_reason = rows.take<std::string>();
    list.push_back(std::move(k));
  });
  return kernels;
}

std::vector<SampleRecord> samples_of(const sqlite::Connection& connection, Statement& rows,
                                     std::int64_t process) {
  std::vector<SampleRecord> samples;
  rows.with(process);
  for_each_row(connection, "sample", rows, [&] {
    SampleRecord s;
    s.block = rows.take<int>();
    s.position = rows.take<int>();
    s.role = rows.take<std::string>();
    s.kernel_id = rows.take<std::string>();
    s.batch_calls = rows.take<std::int64_t>();
    s.time_seconds = rows.take<double>();
    s.priming_calls = rows.take<int>();
    s.valid = rows.take<bool>();
    s.reason = rows.take<std::string>();
    check(s);
    samples.push_back(std::move(s));
  });
  return samples;
}

}  // namespace

std::vector<Store::StoredRun> Store::runs() const {
  std::vector<StoredRun> runs;
  Statement rows(
      impl_->connection(),
      "SELECT id, study, profile, seed, plan_hash, build_id, machine_key, plan_json, environment_json"
      " FROM run ORDER BY id");
  for_each_row(impl_->connection(), "run", rows, [&] {
    StoredRun stored;
    stored.id = rows.take<std::int64_t>();
    auto& run = stored.run;
    run.study = rows.take<std::string>();
    run.profile = rows.take<std::string>();
    run.seed = rows.take<std::uint64_t>();
    run.plan_hash = rows.take<std::string>();
    run.build_id = rows.take<std::string>();
    run.machine_key = rows.take<std::string>();
    run.plan = rows.take_json();
    run.environment = rows.take_json();
    check(run);
    runs.push_back(std::move(stored));
  });
  return runs;
}

std::vector<CellRecord> Store::cells(std::int64_t run) const {
  auto kernels = kernels_by_cell(impl_->connection(), run);
  std::vector<CellRecord> cells;
  Statement rows(
      impl_->connection(),
      "SELECT id, cell_id, device, threads, cpus_json, condition, phase, scope, batch, num_q_heads,"
      " seqlen_q, seqlen_kv, head_dim_qk, head_dim_v, dtype_q, dtype_kv, dtype_o, layout,"
      " softmax_scale, d_model, seqlens_kv_json FROM cell WHERE run = ? ORDER BY id");
  rows.with(run);
  for_each_row(impl_->connection(), "cell", rows, [&] {
    CellRecord cell;
    const auto row = rows.take<std::int64_t>();
    cell.cell_id = rows.take<std::string>();
    cell.device = rows.take<std::string>();
    cell.threads = rows.take<int>();
    cell.cpus = rows.take_json<std::vector<int>>();
    cell.condition = rows.take<std::string>();
    cell.phase = rows.take<std::string>();
    cell.scope = rows.take<std::string>();
    auto& s = cell.shape;
    s.batch = rows.take<std::int64_t>();
    s.num_q_heads = rows.take<std::int64_t>();
    s.seqlen_q = rows.take<std::int64_t>();
    s.seqlen_kv = rows.take<std::int64_t>();
    s.head_dim_qk = rows.take<std::int64_t>();
    s.head_dim_v = rows.take<std::int64_t>();
    s.dtype_q = parse_dtype(rows.take<std::string>());
    s.dtype_kv = parse_dtype(rows.take<std::string>());
    s.dtype_o = parse_dtype(rows.take<std::string>());
    s.layout = parse_layout(rows.take<std::string>());
    s.softmax_scale = rows.take<double>();
    s.d_model = rows.take<std::int64_t>();
    s.seqlens_kv = rows.take_json<std::vector<std::int64_t>>();
    cell.kernels = std::move(kernels[row]);
    check(cell);
    cells.push_back(std::move(cell));
  });
  return cells;
}

std::vector<VerificationRecord> Store::verifications(std::int64_t run) const {
  std::vector<VerificationRecord> verifications;
  Statement rows(
      impl_->connection(),
      "SELECT cell.cell_id, kernel.kernel_id, passed, reason, max_error, plain_error, tolerance,"
      " median_call_seconds, rerun_bitwise, unchanged_alone, unchanged_in_batch, unchanged_threads,"
      " workspace_bytes, peak_bytes, prepare_seconds, first_call_seconds"
      " FROM verification JOIN kernel ON kernel.id = verification.kernel"
      " JOIN cell ON cell.id = kernel.cell WHERE cell.run = ? ORDER BY cell.id, kernel.ordinal");
  rows.with(run);
  for_each_row(impl_->connection(), "verification", rows, [&] {
    VerificationRecord v;
    v.cell_id = rows.take<std::string>();
    v.kernel_id = rows.take<std::string>();
    v.passed = rows.take<bool>();
    v.reason = rows.take<std::string>();
    v.max_error = rows.take<double>();
    v.plain_error = rows.take<double>();
    v.tolerance = rows.take<double>();
    v.median_call_seconds = rows.take<double>();
    v.rerun_bitwise = rows.take<std::optional<bool>>();
    v.unchanged_alone = rows.take<std::optional<bool>>();
    v.unchanged_in_batch = rows.take<std::optional<bool>>();
    v.unchanged_threads = rows.take<std::optional<bool>>();
    v.workspace_bytes = rows.take<std::int64_t>();
    v.peak_bytes = rows.take<std::int64_t>();
    v.prepare_seconds = rows.take<double>();
    v.first_call_seconds = rows.take<double>();
    check(v);
    verifications.push_back(std::move(v));
  });
  return verifications;
}

std::vector<ProcessRecord> Store::processes(std::int64_t run, const std::string& cell_id) const {
  std::vector<ProcessRecord> processes;
  std::vector<std::int64_t> process_rows;
  Statement samples(impl_->connection(),
                    "SELECT block, position, role, kernel.kernel_id, sample.batch_calls, time_seconds,"
                    " priming_calls, valid, reason"
                    " FROM sample LEFT JOIN kernel ON kernel.id = sample.kernel WHERE process = ?"
                    " ORDER BY block, position, role, kernel.kernel_id");
  Statement rows(impl_->connection(),
                 "SELECT id, process, valid, reason, started_utc, boot_id, orders_json, order_kernels_json,"
                 " noise_json, kernels_json FROM process WHERE cell = ? ORDER BY process");
  rows.with(impl_->cell_row(run, cell_id));
  for_each_row(impl_->connection(), "process", rows, [&] {
    ProcessRecord p;
    p.cell_id = cell_id;
    const auto row = rows.take<std::int64_t>();
    p.process = rows.take<int>();
    p.valid = rows.take<bool>();
    p.reason = rows.take<std::string>();
    p.started_utc = rows.take<std::string>();
    p.boot_id = rows.take<std::string>();
    p.orders = rows.take_json<std::vector<std::vector<int>>>();
    p.order_kernels = rows.take_json<std::vector<std::string>>();
    p.noise = rows.take_json();
    p.kernels = rows.take_json();
    check(p);
    process_rows.push_back(row);
    processes.push_back(std::move(p));
  });
  for (std::size_t i = 0; i < processes.size(); ++i)
    processes[i].samples = samples_of(impl_->connection(), samples, process_rows[i]);
  return processes;
}

std::vector<FailureRecord> Store::failures(std::int64_t run) const {
  std::vector<FailureRecord> failures;
  Statement rows(impl_->connection(),
                 "SELECT cell.cell_id, kernel.kernel_id, stage, reason"
                 " FROM failure JOIN cell ON cell.id = failure.cell"
                 " LEFT JOIN kernel ON kernel.id = failure.kernel WHERE cell.run = ? ORDER BY failure.id");
  rows.with(run);
  for_each_row(impl_->connection(), "failure", rows, [&] {
    FailureRecord f;
    f.cell_id = rows.take<std::string>();
    f.kernel_id = rows.take<std::string>();
    f.stage = rows.take<std::string>();
    f.reason = rows.take<std::string>();
    check(f);
    failures.push_back(std::move(f));
  });
  return failures;
}

RunContents Store::contents(std::int64_t run) const {
  RunContents contents;
  for (const auto& stored : runs()) {
    if (stored.id == run) contents.run = stored.run;
  }
  contents.cells = cells(run);
  contents.verifications = verifications(run);
  for (const auto& cell : contents.cells) {
    for (auto& process : processes(run, cell.cell_id)) contents.processes.push_back(std::move(process));
  }
  contents.failures = failures(run);
  return contents;
}

}  // namespace attnbench
