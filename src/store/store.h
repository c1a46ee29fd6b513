#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/error.h"
#include "store/records.h"

namespace attnbench {

/// One SQLite file: rollback journal, synchronous=FULL. A process and its samples are one transaction.
/// Errors are InputError (foreign, corrupt or newer file, second writer, path that cannot be written, values
/// that break a constraint) or StoreError (disk full, I/O) with the file's name; an existing foreign file is
/// never changed. Readers and the one writer may have the file open at once.
class Store {
 public:
  enum class Mode { read, write };
  /// write: creates the file if absent and locks it against a second writer until destroyed. The lock is
  /// flock's, so it also ends with the process; programs started with exec do not inherit it. A store of
  /// format 1 is shown as if it were of format 2 (store/format_1.h), which the first put_cell(), quarantine()
  /// or add_contents() makes it: a run that is refused leaves it to the program that wrote it.
  static Store open(const std::string& file, Mode mode);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const std::string& file() const;

  /// A store that another program has locked for 5 s throws InputError. After this call it waits as long as
  /// the lock lasts, so that no measured process is lost, and calls `tell` once for each longer than 5 s.
  void wait_while_locked(std::function<void()> tell);

  /// Adds a run and returns its id; a store being measured holds exactly one.
  std::int64_t add_run(const RunRecord& run);
  struct StoredRun {
    std::int64_t id;
    RunRecord run;
  };
  std::vector<StoredRun> runs() const;

  /// Inserts or replaces the description of a cell (kernels, batch sizes, quarantine). Throws InputError when
  /// a kernel that already has samples or a verification is left out.
  void put_cell(std::int64_t run, const CellRecord& cell);
  std::vector<CellRecord> cells(std::int64_t run) const;

  void put_verification(std::int64_t run, const VerificationRecord& verification);
  std::vector<VerificationRecord> verifications(std::int64_t run) const;

  /// One transaction. Throws InputError if (cell, process) is already there.
  void add_process(std::int64_t run, const ProcessRecord& process);
  /// Marks processes of a cell invalid for a reason (re-planned after a quarantine); samples stay.
  void invalidate_processes(std::int64_t run, const std::string& cell_id, const std::string& reason);
  /// One transaction: the failure of a kernel, the cell described without it, and invalidate_processes().
  void quarantine(std::int64_t run, const CellRecord& cell, const FailureRecord& failure,
                  const std::string& reason);
  std::vector<ProcessRecord> processes(std::int64_t run, const std::string& cell_id) const;

  void add_failure(std::int64_t run, const FailureRecord& failure);
  std::vector<FailureRecord> failures(std::int64_t run) const;

  RunContents contents(std::int64_t run) const;
  /// Adds whole runs: all of them or, on an error, none.
  void add_contents(const std::vector<RunContents>& runs);

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  void ensure_format_2();
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnbench
