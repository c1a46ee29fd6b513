#include "store/store.h"

#include <utility>
#include <vector>

#include "store/schema.h"
#include "store/store_impl.h"

namespace attnbench {

using sqlite::Statement;
using sqlite::Transaction;

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const std::string& file, Mode mode) {
  return Store(std::make_unique<Impl>(file, mode == Mode::write));
}

void Store::ensure_format_2() {
  if (impl_->store_file.format() > 1) return;
  std::vector<std::pair<std::int64_t, CellRecord>> decided;
  for (const auto& stored : runs()) {
    for (auto& cell : cells(stored.id)) decided.emplace_back(stored.id, std::move(cell));
  }
  Transaction transaction(impl_->connection());
  impl_->connection().execute(kFormat1To2);
  for (const auto& [run, cell] : decided) impl_->put_cell(run, cell);
  transaction.commit();
}

const std::string& Store::file() const { return impl_->connection().file(); }

void Store::wait_while_locked(std::function<void()> tell) {
  impl_->store_file.connection().wait_while_locked(std::move(tell));
}

// Each change begins a transaction for writing: one that first reads and then writes is refused at once,
// without waiting, where another program is about to write.

std::int64_t Store::add_run(const RunRecord& run) {
  Transaction transaction(impl_->connection());
  const auto id = impl_->insert_run(run);
  transaction.commit();
  return id;
}

void Store::put_cell(std::int64_t run, const CellRecord& cell) {
  ensure_format_2();
  Transaction transaction(impl_->connection());
  impl_->put_cell(run, cell);
  transaction.commit();
}

void Store::put_verification(std::int64_t run, const VerificationRecord& verification) {
  Transaction transaction(impl_->connection());
  impl_->put_verification(run, verification);
  transaction.commit();
}

void Store::add_process(std::int64_t run, const ProcessRecord& process) {
  Transaction transaction(impl_->connection());
  impl_->insert_process(run, process);
  transaction.commit();
}

void Store::invalidate_processes(std::int64_t run, const std::string& cell_id, const std::string& reason) {
  Statement(impl_->connection(), "UPDATE process SET valid = 0, reason = ? WHERE valid AND cell = ?")
      .run(reason, impl_->cell_row(run, cell_id));
}

void Store::quarantine(std::int64_t run, const CellRecord& cell, const FailureRecord& failure,
                       const std::string& reason) {
  ensure_format_2();
  Transaction transaction(impl_->connection());
  impl_->put_cell(run, cell);
  invalidate_processes(run, cell.cell_id, reason);
  impl_->insert_failure(run, failure);
  transaction.commit();
}

void Store::add_failure(std::int64_t run, const FailureRecord& failure) {
  Transaction transaction(impl_->connection());
  impl_->insert_failure(run, failure);
  transaction.commit();
}

void Store::add_contents(const std::vector<RunContents>& runs) {
  ensure_format_2();
  Transaction transaction(impl_->connection());
  for (const auto& contents : runs) {
    const auto run = impl_->insert_run(contents.run);
    for (const auto& cell : contents.cells) impl_->put_cell(run, cell);
    for (const auto& verification : contents.verifications) impl_->put_verification(run, verification);
    for (const auto& process : contents.processes) impl_->insert_process(run, process);
    for (const auto& failure : contents.failures) impl_->insert_failure(run, failure);
  }
  transaction.commit();
}

}  // namespace attnbench
