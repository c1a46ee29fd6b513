#include "plan/toml_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace attnbench::toml_fields {

namespace {

/// toml++ limits how deep values nest, and not how deep the tables of a dotted key or a header do: walking
/// those would run out of stack. Such a key is one line.
void require_shallow_keys(std::string_view text, const std::string& source) {
  constexpr std::ptrdiff_t kMostDots = 10000;
  int number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    if (std::count(line.begin(), line.end(), '.') > kMostDots)
      throw InputError(
          fmt::format("{}:{}: not valid TOML: more than {} dots in a line", source, number, kMostDots));
    begin = end + 1;
  }
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& source) {
  require_shallow_keys(text, source);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw InputError(
        fmt::format("{}:{}: not valid TOML: {}", source, error.source().begin.line, error.description()));
  }
}

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* array = node.as_array()) return fmt::format("a list of {}", array->size());
  return node.is_table() ? "a table" : "a date or time";
}

std::string text_of(std::string_view field, const toml::node& node) {
  const auto* text = node.as_string();
  if (text == nullptr) throw InputError(field, shown(node), "is not a text in quotes");
  return text->get();
}

void read_keys(const toml::table& table, const std::string& source, const Readers& readers) {
  for (const auto& [key, node] : table) {
    const std::string field(key.str());
    located(source, static_cast<int>(key.source().begin.line), [&, &value = node] {
      const auto reader = readers.find(field);
      if (reader != readers.end()) return reader->second(field, value);
      std::vector<std::string> known;
      for (const auto& [name, unused] : readers) known.push_back(name);
      throw InputError("key", field, fmt::format("is not known here{}", suggestion(field, known)));
    });
  }
}

}  // namespace attnbench::toml_fields
