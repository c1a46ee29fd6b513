#include "run/noise/thresholds.h"

#include <nlohmann/json.hpp>

namespace attnbench::thresholds {

nlohmann::json to_json() {
  return {{"steal_share", kStealShare},      {"pressure_share", kPressureShare},
          {"pressure_of", "others"},  // until this was stored, whoever caused it
          {"throttled_periods", 0},          {"sentinel_drift", kSentinelDrift},
          {"ceiling_factor", kCeilingFactor}};
}

}  // namespace attnbench::thresholds
