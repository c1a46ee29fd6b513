#include "plan/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "attnbench/error.h"
#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<Condition, 2> kConditions{{{Condition::hot, "hot"}, {Condition::cold, "cold"}}};

std::string dtypes(const Shape& s) {
  if (s.dtype_q == s.dtype_kv && s.dtype_q == s.dtype_o) return std::string(name(s.dtype_q));
  return fmt::format("{}.{}.{}", name(s.dtype_q), name(s.dtype_kv), name(s.dtype_o));
}

/// Mechanism, kernel, engine and path of an id or filter; empty where left out.
std::array<std::string_view, 4> split_id(std::string_view text) {
  std::array<std::string_view, 4> parts;
  const auto take = [&text](char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) return std::string_view{};
    const auto after = text.substr(at + 1);
    text = text.substr(0, at);
    return after;
  };
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    parts[0] = text.substr(0, slash);
    text.remove_prefix(slash + 1);
  }
  parts[3] = take(':');
  parts[2] = take('@');
  parts[1] = text;
  return parts;
}

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> all = [] {
    Profile quick{.name = "quick", .processes = {3}, .blocks = 10, .unbatched_calls = 5};
    // 10 minutes in all even where a noisy neighbour costs half of the processes.
    quick.warmup_limit_seconds = 0.25;
    quick.reruns = 1.0 / 3;
    quick.default_path_only = true;
    auto report = quick;
    report.name = "report";
    report.processes = {5, 8, 12};
    report.stops_on_width = true;
    report.aa_half_width = 0.025;
    report.ratio_half_width = 0.05;
    report.budget_seconds = 600;
    const Profile spec{.name = "spec", .processes = {5}, .blocks = 20, .unbatched_calls = 20};
    Profile publish{.name = "publish", .processes = {10, 15, 20, 30}, .blocks = 30, .unbatched_calls = 20};
    publish.stops_on_width = true;
    return std::vector<Profile>{quick, report, spec, publish};
  }();
  return all;
}

}  // namespace

std::string_view name(Condition condition) { return name_in(kConditions, condition); }
Condition parse_condition(std::string_view text) { return parse_in(kConditions, "condition", text); }

std::string parse_device_name(std::string_view text) {
  const auto is_word = [](std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
  };
  const auto colon = text.find(':');
  if (!is_word(text.substr(0, colon)) ||
      (colon != std::string_view::npos && !is_word(text.substr(colon + 1))))
    throw InputError("device", text, "is not the name of a device, such as cpu or cuda:0");
  return std::string(text);
}

double rsqrt_scale(std::int64_t head_dim_qk) { return 1 / std::sqrt(static_cast<double>(head_dim_qk)); }

std::string Cell::id() const {
  const auto& s = shape;
  auto text =
      fmt::format("{}-{}-{}-{}-{}-b{}-h{}-q{}-kv{}-d{}", attnbench::name(scope), attnbench::name(phase),
                  attnbench::name(condition), dtypes(s), attnbench::name(s.layout), s.batch, s.num_q_heads,
                  s.seqlen_q, s.seqlen_kv, s.head_dim_qk);
  if (s.head_dim_v != s.head_dim_qk) text += fmt::format("-v{}", s.head_dim_v);
  if (scope == Scope::layer) text += fmt::format("-m{}", s.d_model);
  // A cell of linear mechanisms alone needs no scale.
  if (!std::isnan(s.softmax_scale) && s.softmax_scale != rsqrt_scale(s.head_dim_qk)) {
    text += fmt::format("-s{}", s.softmax_scale);
  }
  if (!s.seqlens_kv.empty()) text += fmt::format("-n{}", fmt::join(s.seqlens_kv, "."));
  text += fmt::format("-t{}", threads);
  return device == "cpu" ? text : text + "-" + device;
}

std::vector<std::string> Cell::baselines() const {
  std::vector<std::string> all{baseline};
  all.insert(all.end(), other_baselines.begin(), other_baselines.end());
  return all;
}

bool Cell::may_be_baseline(std::string_view kernel_id) const {
  const auto all = baselines();
  return std::find(all.begin(), all.end(), kernel_id) != all.end();
}

std::string Cell::baseline_among(const std::set<std::string>& able) const {
  for (const auto& id : baselines()) {
    if (able.contains(id)) return id;
  }
  return baseline;
}

bool Cell::is_spare_beside(std::string_view baseline_id, std::string_view kernel_id) const {
  const auto is_named = [&](const std::string& filter) {
    return split_id(filter)[1] == split_id(kernel_id)[1] && kernel_matches(filter, kernel_id);
  };
  if (std::any_of(kernels.begin(), kernels.end(), is_named)) return false;
  const auto implementation = [](std::string_view id) { return id.substr(id.find('/') + 1); };
  const auto all = baselines();
  const auto chosen = std::find(all.begin(), all.end(), baseline_id);
  return chosen != all.end() && std::any_of(chosen + 1, all.end(), [&](const std::string& later) {
           return implementation(later) == implementation(kernel_id);
         });
}

std::string why_spare(std::string_view baseline_id) {
  return fmt::format("it stands in for the baseline {}, which is there", baseline_id);
}

std::vector<Mechanism> Cell::measured_mechanisms() const {
  auto all = mechanisms;
  std::vector<Mechanism> before;
  for (const auto& id : baselines()) {
    const auto base = mechanism_of("baseline", id);
    const auto same_text = [&](const Mechanism& m) { return to_string(m) == to_string(base); };
    if (std::none_of(all.begin(), all.end(), same_text) &&
        std::none_of(before.begin(), before.end(), same_text))
      before.push_back(bind_kv_heads(base, shape.num_q_heads, kv_heads));
  }
  all.insert(all.begin(), before.begin(), before.end());
  return all;
}

bool Cell::keeps(std::string_view kernel_id) const {
  if (may_be_baseline(kernel_id)) return true;
  const auto mechanism = split_id(kernel_id)[0];
  const auto asked = [&](const Mechanism& m) { return to_string(m) == mechanism; };
  if (std::none_of(mechanisms.begin(), mechanisms.end(), asked)) return false;
  bool keeps_all = true;
  bool is_kept = false;
  for (const auto& filter : kernels) {
    const bool matches = kernel_matches(without_sign(filter), kernel_id);
    if (is_exclusion(filter)) {
      if (matches) return false;
      continue;
    }
    keeps_all = false;
    is_kept |= matches;
  }
  return keeps_all || is_kept;
}

bool is_exclusion(std::string_view filter) { return filter.starts_with('!'); }

std::string_view without_sign(std::string_view filter) {
  return is_exclusion(filter) ? filter.substr(1) : filter;
}

bool kernel_matches(std::string_view filter, std::string_view kernel_id) {
  const auto wanted = split_id(filter);
  const auto parts = split_id(kernel_id);
  if (wanted[1] == filter && (filter == parts[0] || filter == parts[0].substr(0, parts[0].find('('))))
    return true;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!wanted[p].empty() && wanted[p] != parts[p]) return false;
  }
  return true;
}

Mechanism mechanism_of(std::string_view field, std::string_view kernel_id) {
  const auto mechanism = split_id(kernel_id)[0];
  if (mechanism.empty())
    throw InputError(field, kernel_id, "names no mechanism, as \"mha/unfused@cpu\" does");
  return parse_mechanism(mechanism);
}

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (const auto& profile : profiles()) names.push_back(profile.name);
  return names;
}

Profile parse_profile(std::string_view text) {
  for (const auto& profile : profiles()) {
    if (profile.name == text) return profile;
  }
  const auto names = profile_names();
  throw InputError("profile", text,
                   fmt::format("is not one of {}{}", fmt::join(names, ", "), suggestion(text, names)));
}

Profile with_at_most(Profile profile, int processes) {
  if (processes >= profile.max_processes()) return profile;
  std::erase_if(profile.processes, [&](int look) { return look >= processes; });
  profile.processes.push_back(processes);
  return profile;
}

Profile with_own(Profile profile, int processes, int blocks) {
  if (processes > 0 && !profile.stops_on_width) profile.processes = {processes};
  if (blocks > 0) {
    profile.blocks = blocks;
    profile.unbatched_calls = 0;
  }
  return profile;
}

Profile for_cell(const Profile& profile, const Cell& cell) {
  auto own = with_own(profile, cell.processes, cell.blocks);
  own.default_path_only |= cell.default_path_only;
  return own;
}

std::vector<Step> steps_of(const Profile& profile, const std::vector<Cell>& cells) {
  std::map<DType, std::vector<std::size_t>> by_type;
  for (std::size_t c = 0; c < cells.size(); ++c) by_type[cells[c].shape.dtype_q].push_back(c);
  std::vector<Step> steps;
  for (const int look : profile.processes) {
    for (const auto& [type, of_type] : by_type) steps.push_back({of_type, look});
  }
  return steps;
}

}  // namespace attnbench
