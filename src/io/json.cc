#include "io/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "attnbench/error.h"
#include "io/record_json.h"

namespace attnbench {

using nlohmann::json;

namespace {

/// "SOURCE: line 2, column 10".
std::string place_in(std::string_view text, std::size_t offset, const std::string& source) {
  const auto before = text.substr(0, offset);
  const auto line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}: line {}, column {}", source, 1 + std::count(before.begin(), before.end(), '\n'),
                     offset - line_start + 1);
}

std::string_view excerpt(std::string_view text, std::size_t offset) {
  constexpr std::size_t kBytes = 20;
  return text.substr(std::min(offset, text.size()), kBytes);
}

/// Ten times what any document of this program needs.
constexpr int kDeepest = 100;

void check_depth(std::string_view text, const std::string& source) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      i += c == '\\';
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) {
        throw InputError(place_in(text, i, source), excerpt(text, i),
                         fmt::format("is nested more than {} levels deep", kDeepest));
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

template <typename T>
constexpr bool kIsList = false;
template <typename T>
constexpr bool kIsList<std::vector<T>> = true;
template <typename T>
constexpr bool kIsMap = false;
template <typename T>
constexpr bool kIsMap<std::map<std::string, T>> = true;

}  // namespace

json parse_json(std::string_view text, const std::string& source) {
  check_depth(text, source);
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    const auto at = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
    throw InputError(place_in(text, at, source), to_utf8(std::string(excerpt(text, at))),
                     at == text.size() ? "is where the JSON ends too soon" : "is not readable JSON");
  } catch (const json::out_of_range& error) {
    const std::string_view what = error.what();  // "[json.exception...] number overflow parsing '1e999'"
    throw InputError(source, what.substr(std::min(what.rfind(' ') + 1, what.size())),
                     "is a number too large for JSON");
  }
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string to_utf8(std::string text) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  return ascii ? text : json::parse(json_text(text)).get<std::string>();
}

const json& field_of(const json& in, const char* field) {
  if (!in.is_object() || !in.contains(field))
    throw InputError(field, "nothing", "is where a value is needed");
  return in.at(field);
}

template <typename T>
T json_value(const json& value, std::string_view field) {
  const auto require = [&](bool fits, std::string_view problem) {
    if (!fits) throw InputError(field, json_text(value), problem);
  };
  if constexpr (std::same_as<T, json>) {
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

template bool json_value(const json&, std::string_view);
template int json_value(const json&, std::string_view);
template std::int64_t json_value(const json&, std::string_view);
template std::uint64_t json_value(const json&, std::string_view);
template double json_value(const json&, std::string_view);
template std::string json_value(const json&, std::string_view);
template json json_value(const json&, std::string_view);
template std::vector<int> json_value(const json&, std::string_view);
template std::vector<std::vector<int>> json_value(const json&, std::string_view);
template std::vector<std::int64_t> json_value(const json&, std::string_view);
template std::vector<std::string> json_value(const json&, std::string_view);
template std::vector<json> json_value(const json&, std::string_view);
template std::map<std::string, std::string> json_value(const json&, std::string_view);

void read_list(const json& in, const char* field, const std::function<void(const json&)>& read) {
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

json to_json(const Shape& shape) { return *record_json(shape); }

json to_json(const Mechanism& m) {
  return {{"mechanism", to_string(m)}, {"num_kv_heads", m.num_kv_heads}, {"eps", m.eps}};
}

Shape shape_from_json(const json& in) {
  Shape shape;
  read_record(in, shape);
  return shape;
}

Mechanism mechanism_from_json(const json& in) {
  auto m = parse_mechanism(read_field<std::string>(in, "mechanism"));
  m.num_kv_heads = read_field<std::int64_t>(in, "num_kv_heads");
  m.eps = read_field<double>(in, "eps");
  return m;
}

json to_json(const Problem& problem) {
  return {{"shape", to_json(problem.shape)},
          {"mechanism", to_json(problem.mechanism)},
          {"scope", name(problem.scope)},
          {"phase", name(problem.phase)}};
}

Problem problem_from_json(const json& in) {
  return {shape_from_json(field_of(in, "shape")), mechanism_from_json(field_of(in, "mechanism")),
          parse_scope(read_field<std::string>(in, "scope")),
          parse_phase(read_field<std::string>(in, "phase"))};
}

json to_json(const Ceilings& ceilings) {
  auto compute = json::array();
  for (const auto& c : ceilings.compute) {
    compute.push_back({{"unit", c.unit},
                       {"path", c.path},
                       {"dtype", name(c.dtype)},
                       {"flops_per_second", c.flops_per_second}});
  }
  auto bandwidth = json::array();
  for (const auto& b : ceilings.bandwidth) {
    bandwidth.push_back({{"bytes", b.bytes},
                         {"read_bytes_per_second", b.read_bytes_per_second},
                         {"copy_bytes_per_second", b.copy_bytes_per_second}});
  }
  return {{"threads", ceilings.threads}, {"compute", compute}, {"bandwidth", bandwidth}};
}

Ceilings ceilings_from_json(const json& in) {
  Ceilings ceilings;
  ceilings.threads = read_field<int>(in, "threads");
  for (const auto& c : read_field<std::vector<json>>(in, "compute")) {
    ceilings.compute.push_back({read_field<std::string>(c, "unit"), read_field<std::string>(c, "path"),
                                parse_dtype(read_field<std::string>(c, "dtype")),
                                read_field<double>(c, "flops_per_second")});
  }
  for (const auto& b : read_field<std::vector<json>>(in, "bandwidth")) {
    ceilings.bandwidth.push_back({read_field<std::int64_t>(b, "bytes"),
                                  read_field<double>(b, "read_bytes_per_second"),
                                  read_field<double>(b, "copy_bytes_per_second")});
  }
  return ceilings;
}

}  // namespace attnbench
