#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// Which processes were rejected and why.
NoiseAnalysis summarize_noise(const RunContents& contents);

/// Sets standing, publishable and marks; after judge() and summarize_noise().
void set_standing(RunAnalysis& run);

}  // namespace attnbench
