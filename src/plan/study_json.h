#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "plan/study.h"

namespace attnbench {

/// Written form of studies and profiles, for messages to workers and for the store. Reading throws InputError
/// naming the missing or ill-typed field.
nlohmann::json to_json(const Cell& cell);
nlohmann::json to_json(const Study& study);
nlohmann::json to_json(const Profile& profile);
Cell cell_from_json(const nlohmann::json& in);
Study study_from_json(const nlohmann::json& in);
Profile profile_from_json(const nlohmann::json& in);

/// 32 hex digits over what is to be measured: the cells, the profile and the seed. The study's name and
/// description take no part, nor does what measuring itself decides (batch sizes).
std::string plan_hash(const Study& study, const Profile& profile, std::uint64_t seed);

/// FNV-1a, 128 bits, as 32 hex digits: tells plans apart; no protection against forgery.
std::string fnv1a_128(std::string_view bytes);

}  // namespace attnbench
