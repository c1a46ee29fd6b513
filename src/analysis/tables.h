#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/analysis.h"

namespace attnbench {

/// The rows that figures draw, each with its run, group and kernel; an interval is three columns, `x`,
/// `x_low`, `x_high`. Nothing is computed here that the analysis does not hold.
///   kernels     one row a group, N and kernel, of every status
///   series      one row a group and kernel: exponent, its theory, the range of N
///   steps       one row a group, kernel and pair of neighbouring N
///   crossovers  one row a group, kernel and range of N; `estimate` is null where the range holds none
///   peers       one row a group, N, mechanism and kernel of another engine that has a ratio to ours
///   ceilings    the measured ceilings
/// `form` and `default_path` are what the run decided of a kernel (KernelRecord): whether it materialises
/// scores, windows or prefix sums, and whether it is the one path of its kernel that figures draw, not chosen
/// by its result.
nlohmann::json figure_tables(const Analysis& analysis);

}  // namespace attnbench
