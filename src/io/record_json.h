#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/fields.h"
#include "io/json_document.h"

namespace attnbench {

/// Names of fields that a document leaves out, since its place says them.
using FieldNames = std::initializer_list<std::string_view>;

/// A field as JSON: out[field] = value, and the inverse, which throws InputError naming the field that is
/// missing or of another type. T is a type for which record_json.cc compiles it. NaN, which is "not known",
/// is null as it is in the store; an infinity is "inf" or "-inf".
template <typename T>
void write_field(JsonDocument& out, const char* field, const T& value);
template <typename T>
void read_field_into(const nlohmann::json& in, const char* field, T& value);

/// {}.
JsonDocument empty_object();

/// An object with the record's fields, by its list of them.
template <typename Record>
JsonDocument record_json(const Record& record, FieldNames except = {}) {
  auto out = empty_object();
  visit_fields(record, [&](const char* field, const auto& value) {
    if (std::find(except.begin(), except.end(), field) == except.end()) write_field(out, field, value);
  });
  return out;
}

template <typename Record>
void read_record(const nlohmann::json& in, Record& record, FieldNames except = {}) {
  visit_fields(record, [&](const char* field, auto& value) {
    if (std::find(except.begin(), except.end(), field) == except.end()) read_field_into(in, field, value);
  });
}

}  // namespace attnbench
