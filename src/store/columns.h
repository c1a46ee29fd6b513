#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/fields.h"
#include "store/records.h"
#include "store/sqlite.h"

namespace attnbench {

template <typename T>
inline constexpr bool kIsList = false;
template <typename T>
inline constexpr bool kIsList<std::vector<T>> = true;

/// Whether a field is a column of another table, to which the record's row refers.
template <typename Record>
bool is_reference(std::string_view field) {
  return !std::same_as<Record, CellRecord> && (field == "cell_id" || field == "kernel_id");
}

/// Calls visit(column, field) for each field that is a column of the record's own table. What is no number
/// and no text is JSON, in a column NAME_json; the fields of a shape are columns of their own.
template <typename Record, typename Visit>
void visit_columns(Record& record, Visit&& visit) {
  visit_fields(record, [&](const char* field, auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::same_as<T, Shape>) {
      visit_columns(value, visit);
    } else if constexpr (kIsList<T> || std::same_as<T, JsonDocument>) {
      visit(std::string(field) + "_json", value);
    } else {
      if (!is_reference<std::remove_const_t<Record>>(field)) visit(std::string(field), value);
    }
  });
}

/// The columns, each written by `text`, with commas between them.
template <typename Record, typename Text>
std::string column_list(Text text) {
  std::string list;
  const Record none{};
  visit_columns(none, [&](const std::string& column, const auto&) {
    list += (list.empty() ? "" : ", ") + text(column);
  });
  return list;
}
/// "table.a, table.b".
template <typename Record>
std::string columns_of(const std::string& table) {
  return column_list<Record>([&](const std::string& column) { return table + '.' + column; });
}
/// "INSERT INTO table (keys, a, b) VALUES (?, ?, ?)"; `keys` are columns that put() gets first.
template <typename Record>
std::string insert_into(const std::string& table, const std::vector<std::string>& keys) {
  std::string names, marks;
  for (const auto& key : keys) {
    names += key + ", ";
    marks += "?, ";
  }
  names += column_list<Record>([](const std::string& column) { return column; });
  marks += column_list<Record>([](const std::string&) { return std::string("?"); });
  return "INSERT INTO " + table + " (" + names + ") VALUES (" + marks + ")";
}
/// The same, and where a row has these keys and names already it gets the new values.
template <typename Record>
std::string insert_or_update(const std::string& table, const std::vector<std::string>& keys,
                             const std::string& unique) {
  auto update =
      column_list<Record>([](const std::string& column) { return column + " = excluded." + column; });
  for (const auto& key : keys) update += ", " + key + " = excluded." + key;
  return insert_into<Record>(table, keys) + " ON CONFLICT (" + unique + ") DO UPDATE SET " + update;
}

template <typename T>
void put_field(sqlite::Statement& statement, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    statement.put(name(value));
  } else if constexpr (kIsList<T> || std::same_as<T, JsonDocument>) {
    statement.put_json(value);
  } else if constexpr (std::same_as<T, std::uint64_t>) {
    statement.put(static_cast<std::int64_t>(value));  // seeds use all 64 bits
  } else {
    statement.put(value);
  }
}

/// Binds keys, then the fields, and runs to the end.
template <typename Record, typename... Keys>
void put_record(sqlite::Statement& statement, const Record& record, const Keys&... keys) {
  statement.with(keys...);
  visit_columns(record, [&](const std::string&, const auto& value) { put_field(statement, value); });
  while (statement.next()) {
  }
}

/// The next columns of the row, which are those of columns_of().
template <typename Record>
void take_record(sqlite::Statement& row, Record& record) {
  visit_columns(record, [&](const std::string&, auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::same_as<T, DType>) {
      value = parse_dtype(row.take<std::string>());
    } else if constexpr (std::same_as<T, Layout>) {
      value = parse_layout(row.take<std::string>());
    } else if constexpr (kIsList<T> || std::same_as<T, JsonDocument>) {
      value = row.take_json<T>();
    } else {
      value = row.take<T>();
    }
  });
}

}  // namespace attnbench
