#pragma once

#include <set>
#include <string>
#include <string_view>

#include "analysis/analysis.h"

namespace attnbench {

/// Whether the kernel has times at some N of the group, be it of rejected processes alone: only such kernels
/// have a row in a table.
bool has_row(const GroupAnalysis& group, std::string_view kernel_id);

/// The first few, and how many more there are: "a, b, c, d and 3 more".
std::string some_of(const std::set<std::string>& names);

/// The others of all groups, one line a reason: "unsupported: f32 only, not bf16: fused@cpu:avx512 (core
/// bf16)". Where many share a reason, some are named and the rest counted; kernels that failed are all named.
std::string left_out_lines(const RunAnalysis& run);

}  // namespace attnbench
