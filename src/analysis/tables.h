#pragma once

#include <nlohmann/json.hpp>

#include "analysis/analysis.h"

namespace attnbench {

/// The rows that figures draw, one array a figure; every row says where it comes from (run, machine, group,
/// dtype, scope, seqlen, kernel). Only kernels that are ok. Nothing is computed here that the analysis does
/// not hold.
///   latency      seconds of every kernel
///   ratios       ratio to the baseline with its verdict, baseline left out
///   windows      sliding-window kernels: seconds, ratio
///   block_sparse block-sparse kernels: ratio; crossover rows ("kind": ratio or crossover)
///   linear       linear mechanisms: seconds; guide rows ("kind": measured, guide)
///   heatmap      as ratios, with the baseline, ratio alone
///   dense        mha, gqa, mqa: seconds, ratio, bytes of the KV cache
///   scaling      measured and fitted seconds, exponent and theory
///   roofline     FLOP/s, arithmetic intensity, percent of the ceilings
///   accuracy     error, peak bytes, seconds
///   ceilings     the measured ceilings
nlohmann::json figure_tables(const Analysis& analysis);

}  // namespace attnbench
