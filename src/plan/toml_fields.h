#pragma once

#include <toml++/toml.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "attnbench/error.h"

/// Reading of TOML files that people write: every error names source, line, field and value.
namespace attnbench::toml_fields {

/// Throws InputError "source:line: not valid TOML: ...".
toml::table parse_toml(std::string_view text, const std::string& source);

int line_of(const toml::node& node);

/// A value as the file shows it.
std::string shown(const toml::node& node);

/// The text of a node; throws InputError naming the field for another type.
std::string text_of(std::string_view field, const toml::node& node);

using Readers = std::map<std::string, std::function<void(const std::string& field, const toml::node&)>>;
/// Hands every key of the table to its reader. Throws InputError for a key without one, with the nearest
/// names, and puts "source:line: " before what readers throw.
void read_keys(const toml::table& table, const std::string& source, const Readers& readers);

/// Runs `read` and puts "source:line: " before its errors.
template <typename Read>
void located(const std::string& source, int line, Read&& read) {
  try {
    read();
  } catch (const InputError& error) {
    throw InputError(source + ":" + std::to_string(line) + ": " + error.what());
  }
}

/// Calls read(element) for each element of a list, or for a single value.
template <typename Read>
void for_each_value(std::string_view field, const toml::node& node, Read&& read) {
  const auto* list = node.as_array();
  if (list == nullptr) return read(node);
  if (list->empty()) throw InputError(field, "[]", "is an empty list");
  for (const auto& element : *list) read(element);
}

}  // namespace attnbench::toml_fields
