#pragma once

#include <memory>
#include <string>
#include <utility>

#include "store/sqlite.h"

namespace attnbench {

/// Owns a POSIX file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  ~Descriptor();
  int get() const { return value_; }

 private:
  int value_;
};

/// The file under a store: refuses what is not one before SQLite touches it, and holds the writer's lock.
class StoreFile {
 public:
  /// Opens an existing store, or with `write` also creates one. Throws as Store::open.
  StoreFile(const std::string& file, bool write);
  const sqlite::Connection& connection() const { return connection_; }
  sqlite::Connection& connection() { return connection_; }
  /// Of the tables, kStoreFormat or a lower one.
  int format() const;

 private:
  // Destroyed last: closing any descriptor of a file drops the POSIX locks SQLite holds on it.
  std::unique_ptr<Descriptor> lock_;
  sqlite::Connection connection_;
};

}  // namespace attnbench
