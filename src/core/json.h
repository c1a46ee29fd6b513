#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

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

/// The document in a text that came from outside. Throws InputError naming the source, the line and the
/// column where it is no JSON, and for nesting so deep that code which walks it might run out of stack.
nlohmann::json parse_json(std::string_view text, const std::string& source);
/// The written form. Bytes that are no UTF-8 become U+FFFD: a crashed program's last words may hold any.
std::string json_text(const nlohmann::json& value, int indent = -1);
/// The same text with such bytes replaced.
std::string to_utf8(std::string text);

/// The value as a T, of its very type: no number from a truth value, no whole one from 1.9 or from one that T
/// cannot hold, in lists and maps neither. Throws InputError(field, ...).
template <typename T>
T json_value(const nlohmann::json& value, std::string_view field);

/// in.at(field) as a T. Throws InputError(field, ...), also where it is absent.
template <typename T>
T read_field(const nlohmann::json& in, const char* field);

/// Calls read(element) for each element of the list in.at(field), and puts "field[i]: " before its errors.
template <typename Read>
void read_list(const nlohmann::json& in, const char* field, Read&& read);

/// in.at(field); throws InputError where it is absent.
const nlohmann::json& field_of(const nlohmann::json& in, const char* field);

}  // namespace attnbench

#include <concepts>
#include <map>
#include <utility>
#include <vector>

#include "attnbench/error.h"

namespace attnbench {

template <typename T>
inline constexpr bool kIsList = false;
template <typename T>
inline constexpr bool kIsList<std::vector<T>> = true;
template <typename T>
inline constexpr bool kIsMap = false;
template <typename T>
inline constexpr bool kIsMap<std::map<std::string, T>> = true;

template <typename T>
T json_value(const nlohmann::json& value, std::string_view field) {
  const auto require = [&](bool fits, std::string_view problem) {
    if (!fits) throw InputError(field, json_text(value), problem);
  };
  if constexpr (std::same_as<T, nlohmann::json>) {
    return value;
  } else if constexpr (kIsList<T>) {
    require(value.is_array(), "is no list");
    T list;
    for (const auto& element : value) list.push_back(json_value<typename T::value_type>(element, field));
    return list;
  } else if constexpr (kIsMap<T>) {
    require(value.is_object(), "is no object");
    T map;
    for (const auto& [key, element] : value.items())
      map[key] = json_value<typename T::mapped_type>(element, field);
    return map;
  } else if constexpr (std::same_as<T, bool>) {
    require(value.is_boolean(), "is neither true nor false");
    return value.get<bool>();
  } else if constexpr (std::integral<T>) {
    const bool fits = value.is_number_unsigned()
                          ? std::in_range<T>(value.get<std::uint64_t>())
                          : value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
    require(fits, "is not a whole number of this field's range");
    return value.get<T>();
  } else if constexpr (std::floating_point<T>) {
    require(value.is_number(), "is no number");
    return value.get<T>();
  } else {
    require(value.is_string(), "is no text");
    return value.get<T>();
  }
}

template <typename T>
T read_field(const nlohmann::json& in, const char* field) {
  return json_value<T>(field_of(in, field), field);
}

template <typename Read>
void read_list(const nlohmann::json& in, const char* field, Read&& read) {
  const auto& list = field_of(in, field);
  if (!list.is_array()) throw InputError(field, json_text(list), "is no list");
  for (std::size_t i = 0; i < list.size(); ++i) {
    try {
      read(list[i]);
    } catch (const InputError& error) {
      throw InputError(std::string(field) + '[' + std::to_string(i) + "]: " + error.what());
    }
  }
}

}  // namespace attnbench
