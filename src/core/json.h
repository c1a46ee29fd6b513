#pragma once

#include <nlohmann/json.hpp>

#include "attnbench/problem.h"

namespace attnbench {

/// Written form of the central types, used by messages, the store and profiles. A mechanism is its canonical
/// text and its num_kv_heads. Reading throws InputError naming the missing or ill-typed field.
nlohmann::json to_json(const Shape& shape);
nlohmann::json to_json(const Mechanism& mechanism);
nlohmann::json to_json(const Problem& problem);
Shape shape_from_json(const nlohmann::json& in);
Mechanism mechanism_from_json(const nlohmann::json& in);
Problem problem_from_json(const nlohmann::json& in);

/// in.at(field) converted; throws InputError(field, ...) when absent, of another type, or a whole number that
/// T cannot hold.
template <typename T>
T read_field(const nlohmann::json& in, const char* field);

}  // namespace attnbench

#include <concepts>
#include <utility>

#include "attnbench/error.h"

template <typename T>
T attnbench::read_field(const nlohmann::json& in, const char* field) {
  if (!in.is_object() || !in.contains(field))
    throw InputError(field, "nothing", "is where a value is needed");
  // The library would read true and 1.9 as 1, and of a number too large the low bits.
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    const auto& value = in.at(field);
    const bool fits = value.is_number_unsigned()
                          ? std::in_range<T>(value.template get<std::uint64_t>())
                          : value.is_number_integer() && std::in_range<T>(value.template get<std::int64_t>());
    if (!fits) throw InputError(field, value.dump(), "is not a whole number of this field's range");
  }
  try {
    return in.at(field).get<T>();
  } catch (const nlohmann::json::exception&) {
    throw InputError(field, in.at(field).dump(), "has the wrong type");
  }
}
