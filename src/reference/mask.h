#pragma once

#include <cstdint>

#include "attnbench/tensor.h"

namespace attnbench::reference {

/// May the query at `position` = i + keys - seqlen_q read key j? The definition of each mechanism, one pair
/// at a time; written apart from allowed_keys() so that each can be tested against the other.
bool may_see(const Mechanism& mechanism, std::int64_t position, std::int64_t key);

/// Keys in use for a batch entry: Shape::seqlens_kv where given, else all that the call brings (k.sizes[2];
/// seqlen_kv in layer scope).
std::int64_t keys_in_use(const Problem& problem, const Tensors& tensors, std::int64_t batch);

/// The key/value head that a query head reads.
inline std::int64_t kv_head_of(const Problem& problem, std::int64_t q_head) {
  return q_head / (problem.shape.num_q_heads / problem.mechanism.num_kv_heads);
}

}  // namespace attnbench::reference
