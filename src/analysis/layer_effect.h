#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// Each kernel that is ok both by itself and inside its layer, where all else of the two cells is equal.
std::vector<LayerEffect> layer_effects(const RunAnalysis& run);

}  // namespace attnbench
