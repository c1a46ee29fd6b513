#include "dispatch/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "attnbench/error.h"
#include "core/hash.h"
#include "core/library_build.h"
#include "core/system/machine_key.h"
#include "io/files.h"
#include "io/json.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "attnbench-profile";

MechanismKind dense_is_one(MechanismKind kind) {
  return kind == MechanismKind::gqa || kind == MechanismKind::mqa ? MechanismKind::mha : kind;
}

MechanismKind parse_kind(const std::string& text) {
  std::vector<std::string> known;
  for (const auto kind : all_mechanism_kinds()) {
    if (name(kind) == text) return kind;
    known.emplace_back(name(kind));
  }
  throw InputError("mechanism", text, "is no kind of mechanism" + suggestion(text, known));
}

json kind_json(const ProblemKind& kind) {
  return {{"mechanism", name(kind.mechanism)}, {"causal", kind.causal},
          {"dtype_q", name(kind.dtype_q)},     {"dtype_kv", name(kind.dtype_kv)},
          {"dtype_o", name(kind.dtype_o)},     {"layout", name(kind.layout)},
          {"scope", name(kind.scope)}};
}

ProblemKind read_kind(const json& in) {
  ProblemKind kind;
  kind.mechanism = parse_kind(read_field<std::string>(in, "mechanism"));
  kind.causal = read_field<bool>(in, "causal");
  kind.dtype_q = parse_dtype(read_field<std::string>(in, "dtype_q"));
  kind.dtype_kv = parse_dtype(read_field<std::string>(in, "dtype_kv"));
  kind.dtype_o = parse_dtype(read_field<std::string>(in, "dtype_o"));
  kind.layout = parse_layout(read_field<std::string>(in, "layout"));
  kind.scope = parse_scope(read_field<std::string>(in, "scope"));
  return kind;
}

json to_json(const VerifiedKernel& verified) {
  return {{"kernel", verified.kernel},
          {"kind", kind_json(verified.kind)},
          {"deterministic", verified.deterministic}};
}

json to_json(const MeasuredCost& cost) {
  return {{"kernel", cost.kernel},   {"problem", to_json(cost.problem)}, {"threads", cost.threads},
          {"seconds", cost.seconds}, {"log_error", cost.log_error},      {"processes", cost.processes}};
}

double number_between(const json& in, const char* field, double low, double high) {
  const auto value = read_field<double>(in, field);
  if (value >= low && value <= high) return value;
  throw InputError(field, fmt::format("{}", value), fmt::format("is not between {} and {}", low, high));
}

int count_in(const json& in, const char* field) {
  const auto value = read_field<int>(in, field);
  if (value < 1) throw InputError(field, fmt::format("{}", value), "is below 1");
  return value;
}

std::string read_kernel(const json& in) {
  auto kernel = read_field<std::string>(in, "kernel");
  if (kernel.find('@') == std::string::npos)
    throw InputError("kernel", kernel, "is not of the form kernel@engine[:path]");
  return kernel;
}

/// What tells one measured cost from another, in the order in which they are written.
auto order_of(const MeasuredCost& cost) {
  const auto& s = cost.problem.shape;
  const auto kind = kind_of(cost.problem);
  return std::tuple(kind, cost.threads, cost.problem.phase, to_string(cost.problem.mechanism),
                    cost.problem.mechanism.num_kv_heads, s.batch, s.num_q_heads, s.head_dim_qk, s.head_dim_v,
                    s.seqlen_kv, s.seqlen_q, cost.kernel);
}
auto order_of(const VerifiedKernel& verified) { return std::tuple(verified.kind, verified.kernel); }

template <typename Entry>
void sort_entries(std::vector<Entry>& entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return order_of(a) < order_of(b); });
}

template <typename Entry>
std::string lines_of(const std::vector<Entry>& entries) {
  std::string text;
  for (const auto& entry : entries)
    text += fmt::format("{}\n    {}", text.empty() ? "" : ",", json_text(to_json(entry)));
  return text.empty() ? "[]" : fmt::format("[{}\n  ]", text);
}

/// One key a line, and one element a line of its lists.
std::string certificate_text(const json& certificate) {
  if (certificate.is_null()) return {};
  std::string text;
  for (const auto& [key, value] : certificate.items()) {
    text += fmt::format("{}\n    {}: ", text.empty() ? "" : ",", json_text(key));
    if (!value.is_array()) {
      text += json_text(value);
      continue;
    }
    std::string lines;
    for (const auto& entry : value)
      lines += fmt::format("{}\n      {}", lines.empty() ? "" : ",", json_text(entry));
    text += fmt::format("[{}\n    ]", lines);
  }
  return fmt::format(",\n  \"certificate\": {{{}\n  }}", text);
}

/// Throws where one kernel has two entries for one thing.
template <typename Entry, typename Same>
void require_distinct(const std::vector<Entry>& sorted, const char* field, Same same) {
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(), same);
  if (twice != sorted.end()) throw InputError(field, json_text(to_json(*twice)), "is there twice");
}

bool same_cost(const MeasuredCost& a, const MeasuredCost& b) {
  return a.kernel == b.kernel && a.threads == b.threads && a.problem == b.problem;
}
bool same_verdict(const VerifiedKernel& a, const VerifiedKernel& b) { return order_of(a) == order_of(b); }

/// Mean of the logarithms, each by its precision. An error of 0 counts as 0.1 %, so that none rules alone.
MeasuredCost mean_of(const MeasuredCost& a, const MeasuredCost& b) {
  static constexpr double kLeastError = 1e-3;
  const auto precision = [](const MeasuredCost& cost) {
    const double error = std::max(cost.log_error, kLeastError);
    return 1 / (error * error);
  };
  auto mean = a;
  const double all = precision(a) + precision(b);
  mean.seconds = std::exp((precision(a) * std::log(a.seconds) + precision(b) * std::log(b.seconds)) / all);
  mean.log_error = 1 / std::sqrt(all);
  mean.processes += b.processes;
  return mean;
}

}  // namespace

ProfileOrigin origin_here(const Device& device) { return {machine_key(), library_build(), device.name()}; }

ProblemKind kind_of(const Problem& problem) {
  const auto& s = problem.shape;
  return {dense_is_one(problem.mechanism.kind),
          problem.mechanism.causal_bottom_right,
          s.dtype_q,
          s.dtype_kv,
          s.dtype_o,
          s.layout,
          problem.scope};
}

std::string in_words(const ProblemKind& kind) {
  auto types = std::string(name(kind.dtype_q));
  if (kind.dtype_kv != kind.dtype_q || kind.dtype_o != kind.dtype_q)
    types = fmt::format("{}/{}/{}", types, name(kind.dtype_kv), name(kind.dtype_o));
  return fmt::format("{}{} in {}, {}, {} scope", kind.causal ? "causal " : "", name(kind.mechanism), types,
                     name(kind.layout), name(kind.scope));
}

CostCoordinates coordinates_of(const Problem& problem) {
  const auto& s = problem.shape;
  const auto log2_of = [](std::int64_t size) { return std::log2(static_cast<double>(size)); };
  return {log2_of(s.seqlen_q), log2_of(s.seqlen_kv), log2_of(s.batch) + log2_of(s.num_q_heads),
          log2_of(s.head_dim_qk + s.head_dim_v) - 1};
}

CostWork cost_work_of(const Problem& problem) {
  const auto& s = problem.shape;
  const auto of = work(problem);
  if (!problem.mechanism.is_softmax()) return {of.useful_flops, of.useful_flops, of.compulsory_bytes};
  const auto pairs = static_cast<double>(s.batch) * static_cast<double>(s.num_q_heads) *
                     static_cast<double>(s.seqlen_q) * static_cast<double>(s.seqlen_kv);
  return {of.useful_flops, 2 * pairs * static_cast<double>(s.head_dim_qk + s.head_dim_v),
          of.compulsory_bytes};
}

std::string to_text(CostProfile profile) {
  sort_entries(profile.verified);
  sort_entries(profile.costs);
  return fmt::format(
      "{{\n  \"format\": \"{}\",\n  \"schema\": {},\n  \"machine_key\": {},\n  \"library\": {},\n"
      "  \"device\": {},\n  \"environment\": {},\n  \"verified\": {},\n  \"costs\": {}{}\n}}\n",
      kFormat, kProfileSchema, json_text(profile.origin.machine_key), json_text(profile.origin.library),
      json_text(profile.origin.device), json_text(profile.environment), lines_of(profile.verified),
      lines_of(profile.costs), certificate_text(*profile.certificate));
}

std::string measurements_hash(const CostProfile& profile) {
  auto measured = profile;
  sort_entries(measured.verified);
  sort_entries(measured.costs);
  return fmt::format("{:016x}", fnv1a(lines_of(measured.costs), fnv1a(lines_of(measured.verified))));
}

std::string certificate_problem(const JsonDocument& certificate) {
  constexpr int kUnnamedRule = 1;
  if (certificate->is_null()) return {};
  const int rule = certificate->contains("rule") ? count_in(*certificate, "rule") : kUnnamedRule;
  if (rule == kChoosingRule) return {};
  return fmt::format("certified for rule {}, this program chooses by rule {}", rule, kChoosingRule);
}

CostProfile parse_profile_text(std::string_view text, const std::string& source) {
  const auto in = parse_json(text, source);
  CostProfile profile;
  try {
    if (const auto format = read_field<std::string>(in, "format"); format != kFormat)
      throw InputError("format", format, fmt::format("is not {}", kFormat));
    const auto schema = count_in(in, "schema");
    if (schema > kProfileSchema)
      throw NewerProfile(fmt::format("its schema {} is newer than {}, the latest that this library knows",
                                     schema, kProfileSchema));
    profile.origin = {read_field<std::string>(in, "machine_key"), read_field<std::string>(in, "library"),
                      read_field<std::string>(in, "device")};
    profile.environment = read_field<std::map<std::string, std::string>>(in, "environment");
    read_list(in, "verified", [&](const json& entry) {
      profile.verified.push_back(
          {read_kernel(entry), read_kind(field_of(entry, "kind")), read_field<bool>(entry, "deterministic")});
    });
    read_list(in, "costs", [&](const json& entry) {
      MeasuredCost cost;
      cost.kernel = read_kernel(entry);
      cost.problem = problem_from_json(field_of(entry, "problem"));
      validate(cost.problem);
      cost.threads = count_in(entry, "threads");
      cost.seconds = number_between(entry, "seconds", 1e-12, 86400);
      cost.log_error = number_between(entry, "log_error", 0, 10);
      cost.processes = count_in(entry, "processes");
      profile.costs.push_back(std::move(cost));
    });
    sort_entries(profile.verified);
    sort_entries(profile.costs);
    require_distinct(profile.verified, "verified", same_verdict);
    require_distinct(profile.costs, "costs", same_cost);
    if (in.contains("certificate")) {
      const auto& certificate = in.at("certificate");
      if (const auto of = read_field<std::string>(certificate, "measurements");
          of != measurements_hash(profile))
        throw InputError("certificate", of,
                         fmt::format("is of other measurements than those here, {}: remove it",
                                     measurements_hash(profile)));
      certificate_problem(certificate);  // its rule is a number
      profile.certificate = certificate;
    }
  } catch (const NewerProfile& newer) {
    throw NewerProfile(fmt::format("{}: {}", source, newer.what()));
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", source, error.what()));
  }
  return profile;
}

CostProfile merge(const CostProfile& a, const CostProfile& b) {
  const auto require_same = [](const char* what, const std::string& of_a, const std::string& of_b) {
    if (of_a != of_b)
      throw InputError(what, of_b, fmt::format("is not that of the other profile, '{}'", of_a));
  };
  require_same("machine_key", a.origin.machine_key, b.origin.machine_key);
  require_same("library", a.origin.library, b.origin.library);
  require_same("device", a.origin.device, b.origin.device);
  auto merged = a;
  merged.certificate = {};
  for (const auto& [key, value] : b.environment) merged.environment[key] = value;
  for (const auto& verified : b.verified) {
    const auto found = std::find_if(merged.verified.begin(), merged.verified.end(),
                                    [&](const auto& other) { return same_verdict(other, verified); });
    if (found == merged.verified.end()) {
      merged.verified.push_back(verified);
    } else {
      found->deterministic = found->deterministic && verified.deterministic;
    }
  }
  for (const auto& cost : b.costs) {
    const auto found = std::find_if(merged.costs.begin(), merged.costs.end(),
                                    [&](const auto& other) { return same_cost(other, cost); });
    if (found == merged.costs.end()) {
      merged.costs.push_back(cost);
    } else {
      *found = mean_of(*found, cost);
    }
  }
  sort_entries(merged.verified);
  sort_entries(merged.costs);
  return merged;
}

FoundProfile find_profile(const std::string& file, const ProfileOrigin& here) {
  FoundProfile found;
  if (file.empty()) return found;
  std::string text;
  try {
    text = read_text_file(file, "profile");
  } catch (const InputError& error) {
    return {ProfileState::unreadable, error.what(), {}};
  }
  CostProfile profile;
  try {
    profile = parse_profile_text(text, file);
  } catch (const NewerProfile& newer) {
    return {ProfileState::newer, newer.what(), {}};
  } catch (const InputError& error) {
    return {ProfileState::corrupt, error.what(), {}};
  }
  const auto& origin = profile.origin;
  if (origin.machine_key != here.machine_key)
    return {ProfileState::foreign,
            fmt::format("{}: measured on machine {}, not on this one, {}", file, origin.machine_key,
                        here.machine_key),
            {}};
  if (origin.device != here.device)
    return {ProfileState::foreign,
            fmt::format("{}: measured on device {}, not on {}", file, origin.device, here.device),
            {}};
  if (origin.library != here.library)
    return {ProfileState::stale,
            fmt::format("{}: measured with the kernels of another build, {}, not of this one, {}", file,
                        origin.library, here.library),
            {}};
  return {ProfileState::trusted, {}, std::move(profile)};
}

}  // namespace attnbench
