#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "stats/intervals.h"

namespace attnbench {

/// {"estimate", "low", "high"}; bounds are null where nothing is known of the error. The bounds of an
/// interval are finite or both absent.
nlohmann::json interval_json(const stats::Interval& interval);
nlohmann::json interval_json(const std::optional<stats::Interval>& interval);

/// The value, or null where there is none or it is not finite. T is bool, double or std::int64_t.
template <typename T>
nlohmann::json value_json(const std::optional<T>& value);

}  // namespace attnbench
