#include <fmt/format.h>
#include <toml++/toml.h>

#include <cmath>
#include <functional>
#include <map>

#include "attnbench/error.h"
#include "plan/ranges.h"
#include "plan/study_tables.h"

namespace attnbench {
namespace {

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

/// A value as the file shows it.
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* array = node.as_array()) return fmt::format("a list of {}", array->size());
  return node.is_table() ? "a table" : "a date or time";
}

/// Runs `read` and puts "source:line: " before its errors.
template <typename Read>
void located(const std::string& source, int line, Read&& read) {
  try {
    read();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}:{}: {}", source, line, error.what()));
  }
}

std::string text_of(std::string_view field, const toml::node& node) {
  const auto* text = node.as_string();
  if (text == nullptr) throw InputError(field, shown(node), "is not a text in quotes");
  return text->get();
}

/// Calls read(element) for each element of a list, or for a single value.
template <typename Read>
void for_each_value(std::string_view field, const toml::node& node, Read&& read) {
  const auto* list = node.as_array();
  if (list == nullptr) return read(node);
  if (list->empty()) throw InputError(field, "[]", "is an empty list");
  for (const auto& element : *list) read(element);
}

template <typename T>
void read_names(std::string_view field, const toml::node& node, T (*parse)(std::string_view),
                std::vector<T>& axis) {
  for_each_value(field, node, [&](const toml::node& value) { axis.push_back(parse(text_of(field, value))); });
}

void read_numbers(std::string_view field, const toml::node& node, std::vector<std::int64_t>& axis) {
  for_each_value(field, node, [&](const toml::node& value) {
    if (const auto* number = value.as_integer()) {
      axis.push_back(number->get());
    } else if (value.is_string()) {
      const auto range = parse_numbers(field, text_of(field, value));
      axis.insert(axis.end(), range.begin(), range.end());
    } else {
      throw InputError(field, shown(value), "is not a whole number or a range such as \"128..4096*2\"");
    }
  });
}

void read_scale(const toml::node& node, CellTable& table) {
  const auto number = node.value<double>();
  table.scale_is_rsqrt = !number && node.value<std::string>() == "rsqrt";
  if (table.scale_is_rsqrt) return;
  if (!number || !std::isfinite(*number)) {
    throw InputError("softmax_scale", shown(node), "is neither \"rsqrt\" (1/sqrt(head_dim)) nor a number");
  }
  table.softmax_scale = *number;
}

using Readers = std::map<std::string, std::function<void(const std::string& field, const toml::node&)>>;

/// Hands every key of the table to its reader; a key without one is an error.
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

CellTable read_cell_table(const toml::table& toml, const std::string& source) {
  CellTable table;
  table.line = line_of(toml);
  const auto numbers = [](std::vector<std::int64_t>& axis) {
    return [&axis](const std::string& field, const toml::node& node) { read_numbers(field, node, axis); };
  };
  const auto names = [](auto parse, auto& axis) {
    return [parse, &axis](const std::string& field, const toml::node& node) {
      read_names(field, node, parse, axis);
    };
  };
  const Readers readers = {
      {"scope", names(parse_scope, table.scope)},
      {"phase", names(parse_phase, table.phase)},
      {"condition", names(parse_condition, table.condition)},
      {"dtype", names(parse_dtype, table.dtype)},
      {"layout", names(parse_layout, table.layout)},
      {"threads", numbers(table.threads)},
      {"batch", numbers(table.batch)},
      {"heads", numbers(table.heads)},
      {"kv_heads", numbers(table.kv_heads)},
      {"head_dim", numbers(table.head_dim)},
      {"head_dim_v", numbers(table.head_dim_v)},
      {"d_model", numbers(table.d_model)},
      {"seqlen", numbers(table.seqlen)},
      {"seqlen_q", numbers(table.seqlen_q)},
      {"seqlen_kv", numbers(table.seqlen_kv)},
      {"softmax_scale", [&](const auto&, const toml::node& node) { read_scale(node, table); }},
      {"mechanisms", names(parse_mechanism, table.mechanisms)},
      {"kernels",
       [&](const std::string& field, const toml::node& node) {
         for_each_value(field, node, [&](const toml::node& value) {
           table.kernels.push_back(text_of(field, value));
           if (table.kernels.back().find('/') != std::string::npos) mechanism_of(field, table.kernels.back());
         });
       }},
      {"baseline",
       [&](const std::string& field, const toml::node& node) {
         table.baseline = text_of(field, node);
         mechanism_of(field, table.baseline);
       }},
  };
  read_keys(toml, source, readers);

  const std::pair<const char*, bool> required[] = {
      {"scope", !table.scope.empty()},         {"phase", !table.phase.empty()},
      {"condition", !table.condition.empty()}, {"dtype", !table.dtype.empty()},
      {"layout", !table.layout.empty()},       {"threads", !table.threads.empty()},
      {"batch", !table.batch.empty()},         {"heads", !table.heads.empty()},
      {"head_dim", !table.head_dim.empty()},   {"mechanisms", !table.mechanisms.empty()},
      {"baseline", !table.baseline.empty()}};
  located(source, table.line, [&] {
    for (const auto& [field, given] : required) {
      if (!given) throw InputError("[[cells]]", field, "is missing");
    }
  });
  return table;
}

}  // namespace

StudyTables parse_study_tables(std::string_view text, const std::string& source) {
  StudyTables study{.source = source, .name = {}, .description = {}, .tables = {}};
  toml::table document;
  try {
    document = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw InputError(
        fmt::format("{}:{}: not valid TOML: {}", source, error.source().begin.line, error.description()));
  }
  read_keys(document, source,
            {{"name", [&](const auto& field, const toml::node& node) { study.name = text_of(field, node); }},
             {"description",
              [&](const auto& field, const toml::node& node) { study.description = text_of(field, node); }},
             {"cells", [&](const auto& field, const toml::node& node) {
                if (!node.is_array_of_tables())
                  throw InputError(field, shown(node), "is not [[cells]] tables");
              }}});
  if (study.name.empty()) throw InputError(fmt::format("{}: name: '' is missing", source));
  if (const auto* cells = document["cells"].as_array()) {
    for (const auto& cell : *cells) study.tables.push_back(read_cell_table(*cell.as_table(), source));
  }
  if (study.tables.empty()) throw InputError(fmt::format("{}: [[cells]]: '' is missing", source));
  return study;
}

}  // namespace attnbench
