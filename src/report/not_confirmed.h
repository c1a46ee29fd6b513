#pragma once

#include <string>
#include <string_view>

#include "analysis/analysis.h"

namespace attnbench {

/// ", not confirmed" where the engine could not tell, in some cell of the group, which implementation ran.
std::string not_confirmed_mark(const GroupAnalysis& group, std::string_view kernel_id);

}  // namespace attnbench
