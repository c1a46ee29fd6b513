#include <fmt/format.h>

#include <cmath>

#include "attnbench/error.h"
#include "plan/ranges.h"
#include "plan/study_tables.h"
#include "plan/toml_fields.h"

namespace attnbench {
namespace {

using namespace toml_fields;

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

/// Of processes or blocks.
int count_of(std::string_view field, const toml::node& node) {
  constexpr std::int64_t kMost = 1000;
  const auto* number = node.as_integer();
  if (number == nullptr || number->get() < 1 || number->get() > kMost)
    throw InputError(field, shown(node), fmt::format("is not a whole number from 1 to {}", kMost));
  return static_cast<int>(number->get());
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
      {"device", names(parse_device_name, table.device)},
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
           const auto filter = without_sign(table.kernels.back());
           if (filter.find('/') != std::string::npos) mechanism_of(field, filter);
         });
       }},
      {"baseline",
       [&](const std::string& field, const toml::node& node) {
         for_each_value(field, node, [&](const toml::node& value) {
           table.baselines.push_back(text_of(field, value));
           mechanism_of(field, table.baselines.back());
         });
       }},
      {"processes",
       [&](const auto& field, const toml::node& node) { table.processes = count_of(field, node); }},
      {"blocks", [&](const auto& field, const toml::node& node) { table.blocks = count_of(field, node); }},
      {"paths",
       [&](const auto& field, const toml::node& node) {
         const auto text = text_of(field, node);
         if (text != "default" && text != "all")
           throw InputError(field, text, "is neither \"default\" nor \"all\"");
         table.default_path_only = text == "default";
       }},
  };
  read_keys(toml, source, readers);

  const std::pair<const char*, bool> required[] = {
      {"scope", !table.scope.empty()},         {"phase", !table.phase.empty()},
      {"condition", !table.condition.empty()}, {"dtype", !table.dtype.empty()},
      {"layout", !table.layout.empty()},       {"threads", !table.threads.empty()},
      {"batch", !table.batch.empty()},         {"heads", !table.heads.empty()},
      {"head_dim", !table.head_dim.empty()},   {"mechanisms", !table.mechanisms.empty()},
      {"baseline", !table.baselines.empty()}};
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
  const auto document = parse_toml(text, source);
  read_keys(
      document, source,
      {{"name", [&](const auto& field, const toml::node& node) { study.name = text_of(field, node); }},
       {"description",
        [&](const auto& field, const toml::node& node) { study.description = text_of(field, node); }},
       {"model", [&](const auto& field, const toml::node& node) { study.model = text_of(field, node); }},
       {"not_computed",
        [&](const auto& field, const toml::node& node) {
          for_each_value(field, node, [&](const toml::node& value) {
            study.not_computed.push_back(text_of(field, value));
          });
        }},
       {"cells", [&](const auto& field, const toml::node& node) {
          if (!node.is_array_of_tables()) throw InputError(field, shown(node), "is not [[cells]] tables");
        }}});
  if (study.name.empty()) throw InputError(fmt::format("{}: name: '' is missing", source));
  if (study.name.find_first_of("/\\") != std::string::npos || study.name.front() == '.')
    throw InputError(fmt::format("{}: name: '{}' names a path; stores are called by it", source, study.name));
  if (const auto* cells = document["cells"].as_array()) {
    for (const auto& cell : *cells) study.tables.push_back(read_cell_table(*cell.as_table(), source));
  }
  if (study.tables.empty()) throw InputError(fmt::format("{}: [[cells]]: '' is missing", source));
  return study;
}

}  // namespace attnbench
