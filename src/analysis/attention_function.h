#pragma once

#include <span>
#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// Says of each kernel in the group which function it computes, and how it stands against exact dense
/// attention: sets keys_share, function, drop_in and to_dense, and the group's dense and causal_dense. Moves
/// the dense kernel to the front of each cell. Before by_process of published runs is cleared.
void describe_functions(GroupAnalysis& group);

/// "all", "6 %", "0.4 %"; "> 99 %" where it would round to all.
std::string keys_in_short(double share);
/// Of several N: "49/25 %"; once where all are the same.
std::string keys_in_short(std::span<const double> shares);

}  // namespace attnbench
