#pragma once

#include <cstdint>
#include <string_view>

#include "attnbench/mechanism.h"
#include "attnbench/shape.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// core: attention on projected Q, K, V, per-call packing included.
/// layer: X -> projections -> core -> output projection, all by one engine.
enum class Scope : std::uint8_t { core, layer };
/// prefill: seqlen_q = seqlen_kv. decode: few queries over a long KV cache.
enum class Phase : std::uint8_t { prefill, decode };

std::string_view name(Scope scope);
std::string_view name(Phase phase);
Scope parse_scope(std::string_view text);
Phase parse_phase(std::string_view text);

/// What is to be computed.
struct Problem {
  Shape shape;
  Mechanism mechanism;
  Scope scope = Scope::core;
  Phase phase = Phase::prefill;

  bool operator==(const Problem&) const = default;
};

/// Throws InputError naming the field and the value: sizes < 1, sizes whose product overflows, heads not
/// divisible by kv heads, window or block size < 1, a scale that f32 cannot hold (NaN is one), bad
/// seqlens_kv, phase against lengths.
void validate(const Problem& problem);

/// The cost of a problem, by formula. FLOPs count one multiply-add as 2.
struct Work {
  /// Softmax mechanisms: 2 (head_dim_qk + head_dim_v) for each allowed (query, key) pair;
  /// linear and causal_linear: 4 head_dim_qk head_dim_v per token and query head.
  /// Layer scope adds the four projections.
  double useful_flops = 0;
  /// What the result depends on read once, the output written once. Of K and V that is the keys that a query
  /// may see, of Q the queries that may see a key; in layer scope the rows of X that these come from, and the
  /// weights.
  double compulsory_bytes = 0;
};
Work work(const Problem& problem);

}  // namespace attnbench

#pragma GCC visibility pop
