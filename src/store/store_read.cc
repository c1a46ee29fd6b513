#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "store/check_records.h"
#include "store/columns.h"
#include "store/format_1.h"
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

/// Format 1 has no columns for what decide_as_format_1() tells.
std::string kernel_columns(int format) {
  if (format > 1) return columns_of<KernelRecord>("kernel");
  return column_list<KernelRecord>([](const std::string& column) {
    if (column == "is_default_path") return std::string("1");
    return column == "form" ? std::string("'direct'") : "kernel." + column;
  });
}

std::map<std::int64_t, std::vector<KernelRecord>> kernels_by_cell(const sqlite::Connection& connection,
                                                                  std::int64_t run, int format) {
  std::map<std::int64_t, std::vector<KernelRecord>> kernels;
  Statement rows(connection,
                 fmt::format("SELECT kernel.cell, {} FROM kernel JOIN cell ON cell.id = kernel.cell"
                             " WHERE cell.run = ? ORDER BY cell.id, ordinal",
                             kernel_columns(format)));
  rows.with(run);
  for_each_row(connection, "kernel", rows, [&] {
    auto& list = kernels[rows.take<std::int64_t>()];
    take_record(rows, list.emplace_back());
  });
  return kernels;
}

std::vector<SampleRecord> samples_of(const sqlite::Connection& connection, Statement& rows,
                                     std::int64_t process) {
  std::vector<SampleRecord> samples;
  rows.with(process);
  for_each_row(connection, "sample", rows, [&] {
    SampleRecord s;
    s.kernel_id = rows.take<std::string>();
    take_record(rows, s);
    check(s);
    samples.push_back(std::move(s));
  });
  return samples;
}

}  // namespace

std::vector<Store::StoredRun> Store::runs() const {
  std::vector<StoredRun> runs;
  Statement rows(impl_->connection(),
                 fmt::format("SELECT id, {} FROM run ORDER BY id", columns_of<RunRecord>("run")));
  for_each_row(impl_->connection(), "run", rows, [&] {
    StoredRun stored;
    stored.id = rows.take<std::int64_t>();
    take_record(rows, stored.run);
    check(stored.run);
    runs.push_back(std::move(stored));
  });
  return runs;
}

std::vector<CellRecord> Store::cells(std::int64_t run) const {
  const int format = impl_->store_file.format();
  auto kernels = kernels_by_cell(impl_->connection(), run, format);
  std::vector<CellRecord> cells;
  Statement rows(impl_->connection(), fmt::format("SELECT id, {} FROM cell WHERE run = ? ORDER BY id",
                                                  columns_of<CellRecord>("cell")));
  rows.with(run);
  for_each_row(impl_->connection(), "cell", rows, [&] {
    CellRecord cell;
    const auto row = rows.take<std::int64_t>();
    take_record(rows, cell);
    cell.kernels = std::move(kernels[row]);
    check(cell);
    cells.push_back(std::move(cell));
  });
  if (format > 1) return cells;
  for (const auto& stored : runs()) {
    if (stored.id != run) continue;
    for (auto& cell : cells) decide_as_format_1(stored.run, cell);
  }
  return cells;
}

std::vector<VerificationRecord> Store::verifications(std::int64_t run) const {
  std::vector<VerificationRecord> verifications;
  Statement rows(impl_->connection(),
                 fmt::format("SELECT cell.cell_id, kernel.kernel_id, {}"
                             " FROM verification JOIN kernel ON kernel.id = verification.kernel"
                             " JOIN cell ON cell.id = kernel.cell WHERE cell.run = ?"
                             " ORDER BY cell.id, kernel.ordinal",
                             columns_of<VerificationRecord>("verification")));
  rows.with(run);
  for_each_row(impl_->connection(), "verification", rows, [&] {
    VerificationRecord v;
    v.cell_id = rows.take<std::string>();
    v.kernel_id = rows.take<std::string>();
    take_record(rows, v);
    check(v);
    verifications.push_back(std::move(v));
  });
  return verifications;
}

std::vector<ProcessRecord> Store::processes(std::int64_t run, const std::string& cell_id) const {
  std::vector<ProcessRecord> processes;
  std::vector<std::int64_t> process_rows;
  Statement samples(impl_->connection(),
                    fmt::format("SELECT kernel.kernel_id, {}"
                                " FROM sample LEFT JOIN kernel ON kernel.id = sample.kernel WHERE process = ?"
                                " ORDER BY block, position, role, kernel.kernel_id",
                                columns_of<SampleRecord>("sample")));
  Statement rows(impl_->connection(),
                 fmt::format("SELECT id, {} FROM process WHERE cell = ? ORDER BY process",
                             columns_of<ProcessRecord>("process")));
  rows.with(impl_->cell_row(run, cell_id));
  for_each_row(impl_->connection(), "process", rows, [&] {
    ProcessRecord p;
    p.cell_id = cell_id;
    const auto row = rows.take<std::int64_t>();
    take_record(rows, p);
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
                 fmt::format("SELECT cell.cell_id, kernel.kernel_id, {}"
                             " FROM failure JOIN cell ON cell.id = failure.cell"
                             " LEFT JOIN kernel ON kernel.id = failure.kernel WHERE cell.run = ?"
                             " ORDER BY failure.id",
                             columns_of<FailureRecord>("failure")));
  rows.with(run);
  for_each_row(impl_->connection(), "failure", rows, [&] {
    FailureRecord f;
    f.cell_id = rows.take<std::string>();
    f.kernel_id = rows.take<std::string>();
    take_record(rows, f);
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
