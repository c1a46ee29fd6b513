#pragma once

#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// Takes out of `rows` those that ran in no cell of the group, for one reason, where another path of the same
/// kernel ran. Returns a line a reason: "not run: fused@cpu:avx512 (mha, swa(w=64)): path avx512 computes
/// f32, not bf16".
std::string fold_other_paths(const GroupAnalysis& group, std::vector<KernelRecord>& rows);

}  // namespace attnbench
