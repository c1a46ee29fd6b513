#pragma once

#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// One line a run, cell and kernel: what identifies it, and the results. Unknown values are empty.
std::string kernels_csv(const Analysis& analysis);

}  // namespace attnbench
