#pragma once

#include <cstdint>

#include "attnbench/mechanism.h"

namespace attnbench {

/// Keys allowed to all queries of one sequence together, in closed form: the time does not grow with sizes.
double allowed_pairs(const Mechanism& mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv);

/// Keys of one sequence that at least one of its queries may see, in closed form.
std::int64_t seen_keys(const Mechanism& mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv);
/// Queries of one sequence that may see a key: those whose position is not negative.
std::int64_t seeing_queries(std::int64_t seqlen_q, std::int64_t seqlen_kv);

}  // namespace attnbench
