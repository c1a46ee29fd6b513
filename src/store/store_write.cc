#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "attnbench/error.h"
#include "store/store_impl.h"

namespace attnbench {

using nlohmann::json;
using sqlite::Statement;

std::int64_t Store::Impl::insert_run(const RunRecord& run) const {
  Statement(
      connection(),
      "INSERT INTO run (study, profile, seed, plan_hash, build_id, machine_key, plan_json, environment_json)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .run(run.study, run.profile, static_cast<std::int64_t>(run.seed), run.plan_hash, run.build_id,
           run.machine_key, *run.plan, *run.environment);
  return sqlite3_last_insert_rowid(connection().handle());
}

void Store::Impl::put_cell(std::int64_t run, const CellRecord& cell) const {
  const auto& s = cell.shape;
  Statement(
      connection(),
      "INSERT INTO cell (run, cell_id, device, threads, cpus_json, condition, phase, scope, batch,"
      " num_q_heads, seqlen_q, seqlen_kv, head_dim_qk, head_dim_v, dtype_q, dtype_kv, dtype_o, layout,"
      " softmax_scale, d_model, seqlens_kv_json)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (run, cell_id) DO UPDATE SET device = excluded.device, threads = excluded.threads,"
      " cpus_json = excluded.cpus_json, condition = excluded.condition, phase = excluded.phase,"
      " scope = excluded.scope, batch = excluded.batch, num_q_heads = excluded.num_q_heads,"
      " seqlen_q = excluded.seqlen_q, seqlen_kv = excluded.seqlen_kv, head_dim_qk = excluded.head_dim_qk,"
      " head_dim_v = excluded.head_dim_v, dtype_q = excluded.dtype_q, dtype_kv = excluded.dtype_kv,"
      " dtype_o = excluded.dtype_o, layout = excluded.layout, softmax_scale = excluded.softmax_scale,"
      " d_model = excluded.d_model, seqlens_kv_json = excluded.seqlens_kv_json")
      .run(run, cell.cell_id, cell.device, cell.threads, json(cell.cpus), cell.condition, cell.phase,
           cell.scope, s.batch, s.num_q_heads, s.seqlen_q, s.seqlen_kv, s.head_dim_qk, s.head_dim_v,
           name(s.dtype_q), name(s.dtype_kv), name(s.dtype_o), name(s.layout), s.softmax_scale, s.d_model,
           json(s.seqlens_kv));
  const auto row = cell_row(run, cell.cell_id);

  std::set<std::string> dropped;
  Statement existing(connection(), "SELECT kernel_id FROM kernel WHERE cell = ?");
  existing.with(row);
  while (existing.next()) dropped.insert(existing.take<std::string>());
  for (const auto& kernel : cell.kernels) dropped.erase(kernel.id());
  Statement drop(connection(), "DELETE FROM kernel WHERE cell = ? AND kernel_id = ?");
  for (const auto& id : dropped) drop.run(row, id);

  // A cell has one baseline at any moment, also while another kernel becomes it.
  Statement(connection(), "UPDATE kernel SET is_baseline = 0 WHERE cell = ?").run(row);
  Statement insert(
      connection(),
      "INSERT INTO kernel (cell, kernel_id, ordinal, mechanism, kernel, engine, path, num_kv_heads,"
      " support_reason, is_baseline, batch_calls, quarantine_reason)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (cell, kernel_id) DO UPDATE SET ordinal = excluded.ordinal,"
      " num_kv_heads = excluded.num_kv_heads, support_reason = excluded.support_reason,"
      " is_baseline = excluded.is_baseline, batch_calls = excluded.batch_calls,"
      " quarantine_reason = excluded.quarantine_reason");
  std::int64_t ordinal = 0;
  for (const auto& k : cell.kernels) {
    insert.run(row, k.id(), ordinal++, k.mechanism, k.kernel, k.engine, k.path, k.num_kv_heads,
               k.support_reason, k.is_baseline, k.batch_calls, k.quarantine_reason);
  }
}

void Store::Impl::put_verification(std::int64_t run, const VerificationRecord& v) const {
  const auto kernel = kernel_row(cell_row(run, v.cell_id), v.cell_id, v.kernel_id);
  Statement(connection(),
            "INSERT OR REPLACE INTO verification (kernel, passed, reason, max_error, plain_error, tolerance,"
            " median_call_seconds, rerun_bitwise, unchanged_alone, unchanged_in_batch, unchanged_threads,"
            " workspace_bytes, peak_bytes, prepare_seconds, first_call_seconds)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(kernel, v.passed, v.reason, v.max_error, v.plain_error, v.tolerance, v.median_call_seconds,
           v.rerun_bitwise, v.unchanged_alone, v.unchanged_in_batch, v.unchanged_threads, v.workspace_bytes,
           v.peak_bytes, v.prepare_seconds, v.first_call_seconds);
}

void Store::Impl::insert_process(std::int64_t run, const ProcessRecord& p) const {
  const auto cell = cell_row(run, p.cell_id);
  Statement there(connection(), "SELECT 1 FROM process WHERE cell = ? AND process = ?");
  if (there.with(cell, p.process).next())
    throw InputError("process", std::to_string(p.process), "of cell '" + p.cell_id + "' is already stored");
  Statement(connection(),
            "INSERT INTO process (cell, process, valid, reason, started_utc, boot_id, orders_json,"
            " order_kernels_json, noise_json, kernels_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(cell, p.process, p.valid, p.reason, p.started_utc, p.boot_id, json(p.orders),
           json(p.order_kernels), *p.noise, *p.kernels);
  const std::int64_t process = sqlite3_last_insert_rowid(connection().handle());

  Statement insert(connection(),
                   "INSERT INTO sample (process, block, position, role, kernel, batch_calls, time_seconds,"
                   " priming_calls, valid, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  std::map<std::string, std::optional<std::int64_t>> rows{{"", std::nullopt}};
  for (const auto& s : p.samples) {
    if (!rows.contains(s.kernel_id)) rows[s.kernel_id] = kernel_row(cell, p.cell_id, s.kernel_id);
    insert.run(process, s.block, s.position, s.role, rows[s.kernel_id], s.batch_calls, s.time_seconds,
               s.priming_calls, s.valid, s.reason);
  }
}

void Store::Impl::insert_failure(std::int64_t run, const FailureRecord& f) const {
  const auto cell = cell_row(run, f.cell_id);
  std::optional<std::int64_t> kernel;
  if (!f.kernel_id.empty()) kernel = kernel_row(cell, f.cell_id, f.kernel_id);
  Statement(connection(), "INSERT INTO failure (cell, kernel, stage, reason) VALUES (?, ?, ?, ?)")
      .run(cell, kernel, f.stage, f.reason);
}

std::int64_t Store::Impl::cell_row(std::int64_t run, const std::string& cell_id) const {
  Statement find(connection(), "SELECT id FROM cell WHERE run = ? AND cell_id = ?");
  if (!find.with(run, cell_id).next()) throw InputError("cell_id", cell_id, "is not in the store");
  return find.take<std::int64_t>();
}

std::int64_t Store::Impl::kernel_row(std::int64_t cell_row, const std::string& cell_id,
                                     const std::string& kernel_id) const {
  Statement find(connection(), "SELECT id FROM kernel WHERE cell = ? AND kernel_id = ?");
  if (!find.with(cell_row, kernel_id).next())
    throw InputError("kernel_id", kernel_id, "is not in cell '" + cell_id + "'");
  return find.take<std::int64_t>();
}

}  // namespace attnbench
