#include "plan/overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "attnbench/error.h"
#include "plan/ranges.h"

namespace attnbench {
namespace {

template <typename T>
void replace(std::vector<T>& axis, const std::vector<T>& values) {
  if (!values.empty()) axis = values;
}

void push_unique(std::vector<Mechanism>& list, const Mechanism& mechanism) {
  if (std::find(list.begin(), list.end(), mechanism) == list.end()) list.push_back(mechanism);
}

Mechanism to_causal(Mechanism mechanism) {
  if (mechanism.is_softmax()) {
    mechanism.causal_bottom_right = true;
  } else {
    mechanism.kind = MechanismKind::causal_linear;
  }
  return mechanism;
}

/// Applies `change` to the mechanism named in a kernel id or filter; filters without one stay.
template <typename Change>
void change_mechanism(std::string& kernel_id, Change change) {
  const auto slash = kernel_id.find('/');
  if (slash == std::string::npos) return;
  kernel_id = (is_exclusion(kernel_id) ? "!" : "") +
              to_string(change(mechanism_of("kernel", without_sign(kernel_id)))) + kernel_id.substr(slash);
}

template <typename Change>
void change_mechanisms(CellTable& table, Change change) {
  std::vector<Mechanism> changed;
  for (const auto& mechanism : table.mechanisms) push_unique(changed, change(mechanism));
  table.mechanisms = changed;
  for (auto& kernel : table.kernels) change_mechanism(kernel, change);
  for (auto& baseline : table.baselines) change_mechanism(baseline, change);
}

/// gqa's own number follows --kv-heads. Several numbers give several forms; names refer to the first.
void replace_kv_heads(const std::vector<std::int64_t>& kv_heads, CellTable& table) {
  if (kv_heads.empty()) return;
  table.kv_heads = kv_heads;
  const auto forms = table.mechanisms;
  const auto with = [&](std::int64_t number) {
    return [number](Mechanism mechanism) {
      if (mechanism.kind == MechanismKind::gqa) mechanism.num_kv_heads = number;
      return mechanism;
    };
  };
  change_mechanisms(table, with(kv_heads.front()));
  for (const auto number : kv_heads) {
    for (const auto& form : forms) push_unique(table.mechanisms, with(number)(form));
  }
}

void replace_axes(const StudyOverrides& overrides, CellTable& table) {
  if (!table.seqlen.empty()) replace(table.seqlen, overrides.seqlen);
  if (!table.seqlen_kv.empty()) replace(table.seqlen_kv, overrides.seqlen);
  replace(table.heads, overrides.heads);
  replace(table.head_dim, overrides.head_dim);
  if (!overrides.head_dim.empty()) table.head_dim_v.clear();
  replace(table.batch, overrides.batch);
  replace(table.threads, overrides.threads);
  replace(table.dtype, overrides.dtype);
  replace(table.condition, overrides.condition);
  replace(table.layout, overrides.layout);
  replace(table.device, overrides.device);
  replace_kv_heads(overrides.kv_heads, table);
  if (overrides.causal) change_mechanisms(table, to_causal);
  replace(table.baselines, overrides.baselines);
  replace(table.kernels, overrides.kernels);
}

/// Drops the tables in which nothing matches; an override that drops all is an error saying what there was.
template <typename T, typename Text>
void keep(std::string_view field, const std::vector<T>& wanted, std::vector<T> CellTable::* axis, Text text,
          StudyTables& study) {
  if (wanted.empty()) return;
  std::set<std::string> present;
  for (auto& table : study.tables) {
    for (const auto& value : table.*axis) present.insert(std::string(text(value)));
    std::erase_if(table.*axis, [&](const T& value) {
      return std::find(wanted.begin(), wanted.end(), value) == wanted.end();
    });
  }
  std::erase_if(study.tables, [&](const CellTable& table) { return (table.*axis).empty(); });
  if (!study.tables.empty()) return;
  std::vector<std::string_view> asked;
  for (const auto& value : wanted) asked.push_back(text(value));
  throw InputError(
      field, fmt::format("{}", fmt::join(asked, ",")),
      fmt::format("leaves no cell of study '{}', which has {}", study.name, fmt::join(present, ", ")));
}

/// Keys of a phase or scope that the table no longer has.
void drop_unused_axes(CellTable& table) {
  const auto has = [](const auto& axis, auto value) {
    return std::find(axis.begin(), axis.end(), value) != axis.end();
  };
  if (!has(table.phase, Phase::prefill)) table.seqlen.clear();
  if (!has(table.phase, Phase::decode)) {
    table.seqlen_q.clear();
    table.seqlen_kv.clear();
  }
  if (!has(table.scope, Scope::layer)) table.d_model.clear();
}

void keep_mechanisms(const StudyOverrides& overrides, StudyTables& study) {
  if (overrides.mechanisms.empty()) return;
  std::set<std::string> present;
  for (const auto& table : study.tables) {
    for (const auto& mechanism : table.mechanisms) present.insert(to_string(mechanism));
  }
  std::vector<std::vector<Mechanism>> kept(study.tables.size());
  for (auto filter : overrides.mechanisms) {
    const auto asked = filter.form ? to_string(*filter.form) : std::string(name(filter.kind));
    if (overrides.causal) {
      filter.kind = to_causal({.kind = filter.kind}).kind;
      if (filter.form) filter.form = to_causal(*filter.form);
    }
    bool found = false;
    for (std::size_t t = 0; t < study.tables.size(); ++t) {
      for (const auto& mechanism : study.tables[t].mechanisms) {
        if (mechanism.kind != filter.kind) continue;
        push_unique(kept[t], filter.form.value_or(mechanism));
        found = true;
      }
    }
    if (!found) {
      throw InputError(
          "mechanism", asked,
          fmt::format("leaves no cell of study '{}', which has {}", study.name, fmt::join(present, ", ")));
    }
  }
  for (std::size_t t = 0; t < study.tables.size(); ++t) study.tables[t].mechanisms = kept[t];
  std::erase_if(study.tables, [](const CellTable& table) { return table.mechanisms.empty(); });
}

}  // namespace

std::vector<MechanismFilter> parse_mechanism_filters(std::string_view text) {
  std::vector<MechanismFilter> filters;
  for (const auto& part : split_list("mechanism", text)) {
    if (part.find('(') != std::string::npos) {
      const auto form = parse_mechanism(part);
      filters.push_back({form.kind, form});
      continue;
    }
    std::vector<std::string> names;
    for (const auto kind : all_mechanism_kinds()) {
      names.emplace_back(name(kind));
      if (part == name(kind)) filters.push_back({kind, std::nullopt});
    }
    if (std::find(names.begin(), names.end(), part) == names.end()) {
      throw InputError("mechanism", part,
                       fmt::format("is not one of {}{}", fmt::join(names, ", "), suggestion(part, names)));
    }
  }
  return filters;
}

void apply_overrides(const StudyOverrides& overrides, StudyTables& study) {
  const auto scope_name = [](Scope scope) { return name(scope); };
  const auto phase_name = [](Phase phase) { return name(phase); };
  keep("scope", overrides.scope, &CellTable::scope, scope_name, study);
  keep("phase", overrides.phase, &CellTable::phase, phase_name, study);
  const bool filtered = !overrides.scope.empty() || !overrides.phase.empty();
  for (auto& table : study.tables) {
    if (filtered) drop_unused_axes(table);
    replace_axes(overrides, table);
  }
  keep_mechanisms(overrides, study);
}

}  // namespace attnbench
