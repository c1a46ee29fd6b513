#pragma once

#include <string>

#include "store/store.h"
#include "store/store_file.h"

namespace attnbench {

/// Reads and writes of the tables without transactions of their own: the Store's methods add those.
struct Store::Impl {
  Impl(const std::string& file, bool write) : store_file(file, write) {}

  const sqlite::Connection& connection() const { return store_file.connection(); }
  std::int64_t insert_run(const RunRecord& run) const;
  void put_cell(std::int64_t run, const CellRecord& cell) const;
  void put_verification(std::int64_t run, const VerificationRecord& verification) const;
  void insert_process(std::int64_t run, const ProcessRecord& process) const;
  void insert_failure(std::int64_t run, const FailureRecord& failure) const;

  /// Row ids; throw InputError when absent.
  std::int64_t cell_row(std::int64_t run, const std::string& cell_id) const;
  std::int64_t kernel_row(std::int64_t cell_row, const std::string& cell_id,
                          const std::string& kernel_id) const;

  StoreFile store_file;
};

}  // namespace attnbench
