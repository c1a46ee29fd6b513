#pragma once

#include "analysis/analysis.h"
#include "core/ceilings.h"

namespace attnbench {

/// What the kernel is to compute in the cell.
Problem problem_of(const CellRecord& cell, const KernelRecord& kernel);

/// All ceilings that the run measured: of the CPU by threads, then of its devices.
std::vector<CeilingRow> ceiling_rows(const RunRecord& run);

/// Work and what share of the ceilings it is. `seconds` and `executed_flops` may be missing.
WorkAnalysis analyze_work(const CellRecord& cell, const KernelRecord& kernel, std::optional<double> seconds,
                          std::optional<double> executed_flops, const std::optional<Ceilings>& ceilings);

/// Exponent of N in the useful FLOPs for N to infinity.
double theoretical_exponent(const CellRecord& cell, const KernelRecord& kernel);

}  // namespace attnbench
