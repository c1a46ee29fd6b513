#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "io/fields.h"
#include "io/json.h"
#include "io/json_document.h"

/// A thin owner of SQLite's handles. Every failure is thrown with the file's name: InputError for a file that
/// is corrupt, locked, read-only or rejects the values by a constraint, else StoreError.
namespace attnbench::sqlite {

class Connection {
 public:
  /// flags: SQLITE_OPEN_...; waits up to 5 s for another connection's lock.
  Connection(const std::string& file, int flags);

  const std::string& file() const { return file_; }
  sqlite3* handle() const { return handle_.get(); }
  /// One or several statements without results.
  void execute(const std::string& sql) const;
  [[noreturn]] void fail(int code) const;
  /// From now on waits for other connections' locks as long as they last, and calls `tell` once for each that
  /// lasts longer than 5 s.
  void wait_while_locked(std::function<void()> tell);

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::string file_;
  std::unique_ptr<std::function<void()>> tell_;  // SQLite keeps its address
  std::unique_ptr<sqlite3, Close> handle_;
};

/// One prepared statement: bind with with(), walk with next(), read columns from left to right with take().
class Statement {
 public:
  Statement(const Connection& connection, std::string_view sql);

  template <typename... Values>
  Statement& with(const Values&... values) {
    sqlite3_reset(handle_.get());
    bound_ = 0;
    (put(values), ...);
    return *this;
  }
  /// Binds one more.
  template <typename Value>
  void put(const Value& value) {
    bind(++bound_, value);
  }
  /// Binds and runs to the end.
  template <typename... Values>
  void run(const Values&... values) {
    with(values...);
    while (next()) {
    }
  }
  /// The same as JSON; T is a type for which sqlite.cc compiles it.
  template <typename T>
  void put_json(const T& value);
  /// False after the last row; the statement then holds no lock.
  bool next();
  /// The next column of the row. NULL reads as empty optional, NaN, or the empty text. Throws InputError
  /// naming the column for JSON that cannot be read or is no T, and for a number that T cannot hold.
  template <typename T>
  T take();
  /// The same of a column that holds JSON; T is a type for which sqlite.cc compiles it.
  template <typename T = nlohmann::json>
  T take_json();

 private:
  std::string column_name(int column) const;
  [[noreturn]] void out_of_range(int column, std::int64_t value) const;
  std::string text_at(int column) const;
  void bind(int index, std::int64_t value);
  void bind(int index, double value);  // NaN becomes NULL
  void bind(int index, std::string_view value);
  void bind(int index, const nlohmann::json& value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, int value) { bind(index, std::int64_t{value}); }
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      check(sqlite3_bind_null(handle_.get(), index));
  }
  void check(int code) const;

  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  const Connection* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = 0;
  int column_ = 0;
};

template <typename T>
T Statement::take() {
  auto* row = handle_.get();
  const int column = column_;
  if constexpr (kIsOptional<T>) {
    if (sqlite3_column_type(row, column) == SQLITE_NULL) {
      ++column_;
      return std::nullopt;
    }
    return take<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, double>) {
    ++column_;
    if (sqlite3_column_type(row, column) == SQLITE_NULL) return std::numeric_limits<double>::quiet_NaN();
    return sqlite3_column_double(row, column);
  } else if constexpr (std::is_integral_v<T>) {
    ++column_;
    const auto value = sqlite3_column_int64(row, column);
    // Seeds use all 64 bits.
    if constexpr (std::is_same_v<T, std::uint64_t> || std::is_same_v<T, bool>) {
      return static_cast<T>(value);
    } else {
      if (!std::in_range<T>(value)) out_of_range(column, value);
      return static_cast<T>(value);
    }
  } else {
    ++column_;
    return to_utf8(text_at(column));
  }
}

/// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(const Connection& connection);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  const Connection* connection_;
};

}  // namespace attnbench::sqlite
