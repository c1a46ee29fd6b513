#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

enum class AdviceKind : std::uint8_t {
  governor,
  huge_pages,
  pinning,
  smt,
  steal,
  pressure,
  throttling,
  drift,
  neighbours,
  heat,
  low_power,
  cores,
};
std::string_view name(AdviceKind kind);

/// Something that makes measurements here noisier, and the remedy.
struct Advice {
  AdviceKind kind;
  std::string text;
};

/// Pure: `environment` from probe_environment(), `noise` from difference() over a window in which every
/// thread worked (steal shows only then); either may lack fields.
std::vector<Advice> advise(const nlohmann::json& environment, const nlohmann::json& noise);
/// The part that is about the noise alone: each value over its threshold of the noise guard, and who else
/// used the CPUs ("consumers" of observe_noise(), where known).
std::vector<Advice> advise_on_noise(const nlohmann::json& noise);

}  // namespace attnbench
