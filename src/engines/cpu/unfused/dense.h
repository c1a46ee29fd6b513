#pragma once

#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {

/// softmax(scale Q K^T + mask) V over all pairs, masked ones included: S = Q K^T in f32, mask, softmax in
/// place (P rounded to the element type), O = P V.
class DenseAttention : public PlannedExecution {
 public:
  enum class KvHeads {
    repeated,  ///< K and V of a group are first copied once for each of its query heads
    shared,    ///< query heads of a group read the same K and V
  };
  DenseAttention(const Problem& problem, const CpuDevice& device, KvHeads kv_heads);
  void call(const Tensors& tensors) override;

 private:
  void repeat(const Tensors& tensors);
  void attend(const Tensors& tensors, const TensorView& k, const TensorView& v, std::int64_t item,
              int thread);

  Problem problem_;
  int threads_;
  RowSlices slices_;
  std::int64_t score_stride_;
  bool repeats_;
  Matmul scores_, values_;
  ThreadParts score_rows_;
  std::int64_t repeated_k_ = 0, repeated_v_ = 0;
};

/// Both products over all pairs.
double dense_flops(const Problem& problem);
/// KernelInfo::moved_bytes().
double dense_moved_bytes(const Problem& problem, DenseAttention::KvHeads kv_heads);

}  // namespace attnbench::cpu
