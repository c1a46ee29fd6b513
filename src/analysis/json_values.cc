#include "analysis/json_values.h"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace attnbench {

using nlohmann::json;

json interval_json(const stats::Interval& interval) {
  json out = {{"estimate", interval.estimate}, {"low", nullptr}, {"high", nullptr}};
  if (interval.is_bounded()) {
    out["low"] = interval.low;
    out["high"] = interval.high;
  }
  return out;
}

json interval_json(const std::optional<stats::Interval>& interval) {
  return interval ? interval_json(*interval) : json();
}

template <typename T>
json value_json(const std::optional<T>& value) {
  return value ? json(*value) : json();
}
template json value_json(const std::optional<bool>&);
template json value_json(const std::optional<double>&);
template json value_json(const std::optional<std::int64_t>&);

}  // namespace attnbench
