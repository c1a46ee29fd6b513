#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace attnbench {

/// Adds to a summary (docs/summary.schema.json) what the profile in `file` says of dispatch:
///   profile         whose it is, whether it is trusted on this machine, and what is to be said of its tables
///   in
///                   words that hold for every profile
///   tables.choices  one row a problem of tune_grid() of the profile's mechanisms, element types and numbers
///   of
///                   threads, decode with one query: what a Dispatcher with this profile chooses, the time
///                   that its cost model has for it, and the kernels tied with it, those not shown to take
///                   more than kSwitchRatio times as long. Empty where the profile is of another machine,
///                   device or build: no dispatcher here uses it.
///   tables.regrets  one row a problem of its certificate: what was chosen, what was the best there, and the
///                   observed regret, cross-fitted, with its 95 % interval
/// Throws InputError for a file that is no profile, naming the field, and where ATTNBENCH_FORCE_KERNEL or
/// ATTNBENCH_DENY_KERNELS would change the choices.
void add_profile(nlohmann::json& summary, const std::string& file);

}  // namespace attnbench
