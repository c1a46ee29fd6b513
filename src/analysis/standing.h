#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// Invalid, and not because it was interrupted or planned again: the one meaning of "rejected".
bool is_rejected(const ProcessRecord& process);

/// Which processes were rejected and why.
NoiseAnalysis summarize_noise(const RunContents& contents);

/// Sets standing, publishable, marks, mark and wide; after judge() and summarize_noise().
void set_standing(RunAnalysis& run);

}  // namespace attnbench
