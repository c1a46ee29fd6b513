#include "store/sqlite.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "attnbench/error.h"
#include "store/error.h"

namespace attnbench::sqlite {

using nlohmann::json;

namespace {

constexpr int kLockWaitMilliseconds = 5000;
constexpr int kLockPollMilliseconds = 50;

/// SQLite's busy handler: `tries` counts from 0 for each lock; any answer but 0 tries again.
int wait_and_tell(void* tell, int tries) {
  if (tries == kLockWaitMilliseconds / kLockPollMilliseconds) (*static_cast<std::function<void()>*>(tell))();
  std::this_thread::sleep_for(std::chrono::milliseconds(kLockPollMilliseconds));
  return 1;
}

/// Some names have a meaning of their own for SQLite (":memory:", "file:x.db", the empty one); none begins
/// so.
std::string as_plain_file(const std::string& file) { return file.starts_with('/') ? file : "./" + file; }

}  // namespace

Connection::Connection(const std::string& file, int flags) : file_(file) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(as_plain_file(file).c_str(), &handle, flags, nullptr);
  handle_.reset(handle);  // SQLite returns a handle to close even where opening failed
  if (code != SQLITE_OK) fail(code);
  sqlite3_busy_timeout(handle, kLockWaitMilliseconds);
}

void Connection::wait_while_locked(std::function<void()> tell) {
  tell_ = std::make_unique<std::function<void()>>(std::move(tell));
  sqlite3_busy_handler(handle(), wait_and_tell, tell_.get());
}

void Connection::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

void Connection::fail(int code) const {
  const auto detail = handle_ ? sqlite3_errmsg(handle()) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      throw StoreError(fmt::format(
          "{}: the disk is full; what was stored before is intact, free space and resume", file_));
    case SQLITE_IOERR:
      throw StoreError(fmt::format("{}: {}; what was stored before is intact", file_, detail));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // the statements are this program's own: the tables are not
      throw InputError("store", file_, fmt::format("is corrupt ({}); it was left as it is", detail));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw InputError("store", file_, "is in use by another program; try again when that has ended");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      throw InputError("store", file_, fmt::format("cannot be opened as needed ({})", detail));
    case SQLITE_CONSTRAINT:
      throw InputError("store", file_, fmt::format("refuses these values ({})", detail));
    default:
      throw StoreError(fmt::format("{}: {}", file_, detail));
  }
}

Statement::Statement(const Connection& connection, std::string_view sql) : connection_(&connection) {
  sqlite3_stmt* handle = nullptr;
  const int code =
      sqlite3_prepare_v2(connection.handle(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr);
  handle_.reset(handle);
  check(code);
}

bool Statement::next() {
  column_ = 0;
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(handle_.get());
  if (code != SQLITE_DONE) connection_->fail(code);
  return false;
}

std::string Statement::column_name(int column) const {
  return fmt::format("column {}", sqlite3_column_name(handle_.get(), column));
}

void Statement::out_of_range(int column, std::int64_t value) const {
  throw InputError(column_name(column), fmt::format("{}", value),
                   "is not a whole number of this field's range");
}

template <typename T>
void Statement::put_json(const T& value) {
  put(json(value));
}
template <>
void Statement::put_json(const JsonDocument& value) {
  put(*value);
}
template void Statement::put_json(const std::vector<int>&);
template void Statement::put_json(const std::vector<std::int64_t>&);
template void Statement::put_json(const std::vector<std::string>&);
template void Statement::put_json(const std::vector<std::vector<int>>&);

template <typename T>
T Statement::take_json() {
  const auto name = column_name(column_);
  return json_value<T>(parse_json(text_at(column_++), name), name);
}
template <>
JsonDocument Statement::take_json() {
  return take_json<json>();
}
template json Statement::take_json();
template std::vector<int> Statement::take_json();
template std::vector<std::int64_t> Statement::take_json();
template std::vector<std::string> Statement::take_json();
template std::vector<std::vector<int>> Statement::take_json();

std::string Statement::text_at(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

void Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(handle_.get(), index, value));
}

void Statement::bind(int index, double value) { check(sqlite3_bind_double(handle_.get(), index, value)); }

void Statement::bind(int index, const json& value) { bind(index, std::string_view(json_text(value))); }

void Statement::bind(int index, std::string_view value) {
  check(sqlite3_bind_text64(handle_.get(), index, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) connection_->fail(code);
}

Transaction::Transaction(const Connection& connection) : connection_(&connection) {
  connection.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // SQLite has already rolled back by itself after a full disk or an I/O error.
  if (sqlite3_get_autocommit(connection_->handle()) == 0)
    sqlite3_exec(connection_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() { connection_->execute("COMMIT"); }

}  // namespace attnbench::sqlite
