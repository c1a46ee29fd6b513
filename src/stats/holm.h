#pragma once

#include <span>
#include <vector>

namespace attnbench::stats {

/// Adjusted p values of one family, in the order given: those at most alpha may be rejected with a
/// family-wise error of at most alpha, whatever their dependence (Holm 1979, "A Simple Sequentially Rejective
/// Multiple Test Procedure"). Throws InputError for a value outside [0, 1].
std::vector<double> holm(std::span<const double> p_values);

}  // namespace attnbench::stats
