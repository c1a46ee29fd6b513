#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// Where the store does not tell which CPUs were allowed, the command names those in use: the choice among
/// them is the same.
CpuSet cpu_set(const RunContents& contents);

}  // namespace attnbench
