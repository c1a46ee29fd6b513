#include <map>
#include <set>

#include "attnbench/error.h"
#include "store/columns.h"
#include "store/store_impl.h"

namespace attnbench {

using sqlite::Statement;

std::int64_t Store::Impl::insert_run(const RunRecord& run) const {
  Statement insert(connection(), insert_into<RunRecord>("run", {}));
  put_record(insert, run);
  return sqlite3_last_insert_rowid(connection().handle());
}

void Store::Impl::put_cell(std::int64_t run, const CellRecord& cell) const {
  Statement insert_cell(connection(), insert_or_update<CellRecord>("cell", {"run"}, "run, cell_id"));
  put_record(insert_cell, cell, run);
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
  Statement insert(connection(), insert_or_update<KernelRecord>("kernel", {"cell", "kernel_id", "ordinal"},
                                                                "cell, kernel_id"));
  std::int64_t ordinal = 0;
  for (const auto& kernel : cell.kernels) put_record(insert, kernel, row, kernel.id(), ordinal++);
}

void Store::Impl::put_verification(std::int64_t run, const VerificationRecord& v) const {
  const auto kernel = kernel_row(cell_row(run, v.cell_id), v.cell_id, v.kernel_id);
  Statement insert(connection(), insert_or_update<VerificationRecord>("verification", {"kernel"}, "kernel"));
  put_record(insert, v, kernel);
}

void Store::Impl::insert_process(std::int64_t run, const ProcessRecord& p) const {
  const auto cell = cell_row(run, p.cell_id);
  Statement there(connection(), "SELECT 1 FROM process WHERE cell = ? AND process = ?");
  if (there.with(cell, p.process).next())
    throw InputError("process", std::to_string(p.process), "of cell '" + p.cell_id + "' is already stored");
  Statement insert_row(connection(), insert_into<ProcessRecord>("process", {"cell"}));
  put_record(insert_row, p, cell);
  const std::int64_t process = sqlite3_last_insert_rowid(connection().handle());

  Statement insert(connection(), insert_into<SampleRecord>("sample", {"process", "kernel"}));
  std::map<std::string, std::optional<std::int64_t>> rows{{"", std::nullopt}};
  for (const auto& s : p.samples) {
    if (!rows.contains(s.kernel_id)) rows[s.kernel_id] = kernel_row(cell, p.cell_id, s.kernel_id);
    put_record(insert, s, process, rows[s.kernel_id]);
  }
}

void Store::Impl::insert_failure(std::int64_t run, const FailureRecord& f) const {
  const auto cell = cell_row(run, f.cell_id);
  std::optional<std::int64_t> kernel;
  if (!f.kernel_id.empty()) kernel = kernel_row(cell, f.cell_id, f.kernel_id);
  Statement insert(connection(), insert_into<FailureRecord>("failure", {"cell", "kernel"}));
  put_record(insert, f, cell, kernel);
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
