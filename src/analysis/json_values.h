#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "stats/intervals.h"

namespace attnbench {

/// {"estimate", "low", "high"}; bounds are null where nothing is known of the error. The bounds of an
/// interval are finite or both absent.
inline nlohmann::json interval_json(const stats::Interval& interval) {
  nlohmann::json out = {{"estimate", interval.estimate}, {"low", nullptr}, {"high", nullptr}};
  if (interval.is_bounded()) {
    out["low"] = interval.low;
    out["high"] = interval.high;
  }
  return out;
}
inline nlohmann::json interval_json(const std::optional<stats::Interval>& interval) {
  return interval ? interval_json(*interval) : nlohmann::json();
}

/// The value, or null where there is none or it is not finite.
template <typename T>
nlohmann::json value_json(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace attnbench
