#include "io/record_json.h"

#include <cmath>
#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "io/json.h"

namespace attnbench {

using nlohmann::json;

namespace {

json number_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? json() : json(value > 0 ? "inf" : "-inf");
}

double read_number(const json& value, const char* field) {
  if (value.is_null() || value == "nan")
    return std::numeric_limits<double>::quiet_NaN();  // "nan": exports of version 1
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  return json_value<double>(value, field);
}

}  // namespace

JsonDocument empty_object() { return json::object(); }

template <typename T>
void write_field(JsonDocument& out, const char* field, const T& value) {
  auto& written = (*out)[field];
  if constexpr (std::same_as<T, double>) {
    written = number_json(value);
  } else if constexpr (std::is_enum_v<T>) {
    written = name(value);
  } else if constexpr (kIsOptional<T>) {
    written = value ? json(*value) : json();
  } else if constexpr (std::same_as<T, JsonDocument>) {
    written = *value;
  } else if constexpr (std::same_as<T, Shape>) {
    written = *record_json(value);
  } else {
    written = value;
  }
}

template <typename T>
void read_field_into(const json& in, const char* field, T& value) {
  const auto& written = field_of(in, field);
  if constexpr (std::same_as<T, double>) {
    value = read_number(written, field);
  } else if constexpr (std::same_as<T, DType>) {
    value = parse_dtype(json_value<std::string>(written, field));
  } else if constexpr (std::same_as<T, Layout>) {
    value = parse_layout(json_value<std::string>(written, field));
  } else if constexpr (kIsOptional<T>) {
    value.reset();
    if (!written.is_null()) value = json_value<typename T::value_type>(written, field);
  } else if constexpr (std::same_as<T, JsonDocument>) {
    value = written;
  } else if constexpr (std::same_as<T, Shape>) {
    read_record(written, value);
  } else {
    value = json_value<T>(written, field);
  }
}

#define ATTNBENCH_FIELD(...)                                                 \
  template void write_field(JsonDocument&, const char*, const __VA_ARGS__&); \
  template void read_field_into(const json&, const char*, __VA_ARGS__&)
ATTNBENCH_FIELD(bool);
ATTNBENCH_FIELD(int);
ATTNBENCH_FIELD(std::int64_t);
ATTNBENCH_FIELD(std::uint64_t);
ATTNBENCH_FIELD(double);
ATTNBENCH_FIELD(std::string);
ATTNBENCH_FIELD(DType);
ATTNBENCH_FIELD(Layout);
ATTNBENCH_FIELD(std::optional<bool>);
ATTNBENCH_FIELD(std::optional<std::int64_t>);
ATTNBENCH_FIELD(std::vector<int>);
ATTNBENCH_FIELD(std::vector<std::int64_t>);
ATTNBENCH_FIELD(std::vector<std::string>);
ATTNBENCH_FIELD(std::vector<std::vector<int>>);
ATTNBENCH_FIELD(JsonDocument);
ATTNBENCH_FIELD(Shape);
#undef ATTNBENCH_FIELD

}  // namespace attnbench
