#pragma once

#include <cstdint>

#include "attnbench/mechanism.h"

namespace attnbench {

/// Keys allowed to all queries of one sequence together, in closed form: the time does not grow with sizes.
double allowed_pairs(const Mechanism& mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv);

}  // namespace attnbench
