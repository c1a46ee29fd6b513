#pragma once

#include <string>

#include "analysis/compare.h"

namespace attnbench {

/// A line a kernel and N, regressions marked; warnings last. Ends with a line end.
std::string comparison_table(const Comparison& comparison);

}  // namespace attnbench
