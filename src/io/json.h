#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "attnbench/problem.h"
#include "core/ceilings.h"

namespace attnbench {

/// Written form of the central types, used by messages, the store and profiles. A mechanism is its canonical
/// text and its num_kv_heads. Reading throws InputError naming the missing or ill-typed field.
nlohmann::json to_json(const Shape& shape);
nlohmann::json to_json(const Mechanism& mechanism);
nlohmann::json to_json(const Problem& problem);
nlohmann::json to_json(const Ceilings& ceilings);
Shape shape_from_json(const nlohmann::json& in);
Mechanism mechanism_from_json(const nlohmann::json& in);
Problem problem_from_json(const nlohmann::json& in);
Ceilings ceilings_from_json(const nlohmann::json& in);

/// The document in a text that came from outside. Throws InputError naming the source, the line and the
/// column where it is no JSON, and for nesting so deep that code which walks it might run out of stack.
nlohmann::json parse_json(std::string_view text, const std::string& source);
/// The written form. Bytes that are no UTF-8 become U+FFFD: a crashed program's last words may hold any.
std::string json_text(const nlohmann::json& value, int indent = -1);
/// The same text with such bytes replaced.
std::string to_utf8(std::string text);

/// in.at(field); throws InputError where it is absent.
const nlohmann::json& field_of(const nlohmann::json& in, const char* field);

/// The value as a T, of its very type: no number from a truth value, no whole one from 1.9 or from one that T
/// cannot hold, in lists and maps neither. Throws InputError(field, ...). T is bool, int, std::int64_t,
/// std::uint64_t, double, std::string, nlohmann::json, a list of such a type, or another for which json.cc
/// compiles it.
template <typename T>
T json_value(const nlohmann::json& value, std::string_view field);

/// in.at(field) as a T, as json_value() gives it. Throws InputError(field, ...), also where it is absent.
template <typename T>
T read_field(const nlohmann::json& in, const char* field) {
  return json_value<T>(field_of(in, field), field);
}

/// Calls read(element) for each element of the list in.at(field), and puts "field[i]: " before its errors.
void read_list(const nlohmann::json& in, const char* field,
               const std::function<void(const nlohmann::json&)>& read);

}  // namespace attnbench
