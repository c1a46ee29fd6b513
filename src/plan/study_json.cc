#include "plan/study_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/json.h"

namespace attnbench {

using nlohmann::json;

json to_json(const Cell& cell) {
  auto mechanisms = json::array();
  for (const auto& mechanism : cell.mechanisms) mechanisms.push_back(to_json(mechanism));
  json out = {{"shape", to_json(cell.shape)},      {"scope", name(cell.scope)}, {"phase", name(cell.phase)},
              {"condition", name(cell.condition)}, {"threads", cell.threads},   {"kv_heads", cell.kv_heads},
              {"mechanisms", mechanisms},          {"kernels", cell.kernels},   {"baseline", cell.baseline}};
  // Plans made before there was another device have the same hash.
  if (cell.device != "cpu") out["device"] = cell.device;
  if (!cell.other_baselines.empty()) out["other_baselines"] = cell.other_baselines;
  // The same of plans made before a cell could have numbers of its own.
  if (cell.processes > 0) out["processes"] = cell.processes;
  if (cell.blocks > 0) out["blocks"] = cell.blocks;
  if (cell.default_path_only) out["default_path_only"] = true;
  return out;
}

json to_json(const Study& study) {
  auto cells = json::array();
  for (const auto& cell : study.cells) cells.push_back(to_json(cell));
  json out = {{"name", study.name}, {"description", study.description}, {"cells", cells}};
  if (!study.not_computed.empty()) out["not_computed"] = study.not_computed;
  return out;
}

json to_json(const Profile& p) {
  json out = {{"name", p.name},
              {"processes", p.processes},
              {"blocks", p.blocks},
              {"unbatched_calls", p.unbatched_calls},
              {"warmup_limit_seconds", p.warmup_limit_seconds},
              {"warmup_limit_calls", p.warmup_limit_calls},
              {"reruns", p.reruns},
              {"default_path_only", p.default_path_only},
              {"stops_on_width", p.stops_on_width}};
  // Plans made before there was another rule than that of publish have the same hash.
  if (p.aa_half_width != kPublishAaHalfWidth) out["aa_half_width"] = p.aa_half_width;
  if (p.ratio_half_width != kPublishRatioHalfWidth) out["ratio_half_width"] = p.ratio_half_width;
  if (p.budget_seconds > 0) out["budget_seconds"] = p.budget_seconds;
  return out;
}

Cell cell_from_json(const json& in) {
  Cell cell;
  cell.shape = shape_from_json(read_field<json>(in, "shape"));
  cell.scope = parse_scope(read_field<std::string>(in, "scope"));
  cell.phase = parse_phase(read_field<std::string>(in, "phase"));
  cell.condition = parse_condition(read_field<std::string>(in, "condition"));
  if (in.contains("device")) cell.device = parse_device_name(read_field<std::string>(in, "device"));
  cell.threads = read_field<int>(in, "threads");
  cell.kv_heads = read_field<std::int64_t>(in, "kv_heads");
  for (const auto& mechanism : read_field<std::vector<json>>(in, "mechanisms")) {
    cell.mechanisms.push_back(mechanism_from_json(mechanism));
  }
  cell.kernels = read_field<std::vector<std::string>>(in, "kernels");
  cell.baseline = read_field<std::string>(in, "baseline");
  if (in.contains("other_baselines"))
    cell.other_baselines = read_field<std::vector<std::string>>(in, "other_baselines");
  if (in.contains("processes")) cell.processes = read_field<int>(in, "processes");
  if (in.contains("blocks")) cell.blocks = read_field<int>(in, "blocks");
  if (in.contains("default_path_only")) cell.default_path_only = read_field<bool>(in, "default_path_only");
  return cell;
}

Study study_from_json(const json& in) {
  Study study{read_field<std::string>(in, "name"), read_field<std::string>(in, "description"), {}};
  for (const auto& cell : read_field<std::vector<json>>(in, "cells"))
    study.cells.push_back(cell_from_json(cell));
  if (in.contains("not_computed"))
    study.not_computed = read_field<std::vector<std::string>>(in, "not_computed");
  return study;
}

Profile profile_from_json(const json& in) {
  Profile profile;
  profile.name = read_field<std::string>(in, "name");
  profile.processes = read_field<std::vector<int>>(in, "processes");
  if (profile.processes.empty()) throw InputError("processes", "[]", "is an empty list");
  profile.blocks = read_field<int>(in, "blocks");
  profile.unbatched_calls = read_field<int>(in, "unbatched_calls");
  profile.warmup_limit_seconds = read_field<double>(in, "warmup_limit_seconds");
  profile.warmup_limit_calls = read_field<int>(in, "warmup_limit_calls");
  profile.reruns = read_field<double>(in, "reruns");
  profile.default_path_only = read_field<bool>(in, "default_path_only");
  profile.stops_on_width = read_field<bool>(in, "stops_on_width");
  if (in.contains("aa_half_width")) profile.aa_half_width = read_field<double>(in, "aa_half_width");
  if (in.contains("ratio_half_width")) profile.ratio_half_width = read_field<double>(in, "ratio_half_width");
  if (in.contains("budget_seconds")) profile.budget_seconds = read_field<double>(in, "budget_seconds");
  return profile;
}

std::string plan_hash(const Study& study, const Profile& profile, std::uint64_t seed) {
  // Keys of a json object are sorted and numbers take their shortest exact form, so equal plans give equal
  // text.
  const json plan = {{"cells", to_json(study).at("cells")}, {"profile", to_json(profile)}, {"seed", seed}};
  return fnv1a_128(plan.dump());
}

std::string fnv1a_128(std::string_view bytes) {
  __extension__ using uint128 = unsigned __int128;
  constexpr uint128 kPrime = (uint128{1} << 88) + 0x13b;
  uint128 hash = (uint128{0x6c62272e07bb0142u} << 64) + 0x62b821756295c58du;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= kPrime;
  }
  return fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(hash >> 64),
                     static_cast<std::uint64_t>(hash));
}

}  // namespace attnbench
