#pragma once

#include <cstdint>
#include <vector>

#include "attnbench/mechanism.h"
#include "core/buffer.h"
#include "engines/cpu/fused/softmax/block.h"

namespace account {

/// 32 rows of one head of an unmasked-batch, square bf16 problem with everything a path needs to compute
/// them: random Q, K and V, packed keys, spans and memory. What SoftmaxExecution does for each block, done
/// once.
class OneBlock {
 public:
  /// Rows [first_row, first_row + 32).
  OneBlock(const attnbench::Mechanism& mechanism, std::int64_t seqlen, std::int64_t head_dim,
           std::int64_t first_row, const attnbench::cpu::fused::SoftmaxPath& path);

  void begin() { path_.tile.begin(block_); }
  /// All keys, in calls of at most SoftmaxPath::attend_keys.
  void attend();
  void finish() { path_.tile.finish(block_); }
  /// K and V of 32 keys: what a block adds to those that its predecessors left packed.
  void pack();

  attnbench::cpu::fused::Block& block() { return block_; }
  /// Each attend() call's.
  const std::vector<std::vector<attnbench::cpu::fused::KeySpan>>& spans() const { return calls_; }
  /// Makes scores and sums 1, for a path whose tile operations do nothing.
  void fill_scores();

 private:
  void add_span(attnbench::KeyRange keys, attnbench::KeyRange full, attnbench::cpu::fused::Halves halves);

  const attnbench::cpu::fused::SoftmaxPath& path_;
  std::int64_t head_dim_;
  attnbench::Buffer q_, k_, v_, o_, packed_k_, packed_v_;
  attnbench::Buffer output_, queries_, weights_, scores_;
  attnbench::cpu::fused::Block block_;
  std::vector<std::vector<attnbench::cpu::fused::KeySpan>> calls_;
};

}  // namespace account
