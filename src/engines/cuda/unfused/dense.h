#pragma once

#include "engines/cuda/unfused/common.h"

namespace attnbench::cuda {

/// softmax(scale Q K^T + mask) V over all pairs, masked ones included: S = Q K^T in f32, softmax in place (P
/// rounded to the element type), O = P V.
class DenseAttention : public CudaExecution {
 public:
  enum class KvHeads {
    repeated,  ///< K and V of a group are first copied once for each of its query heads
    shared,    ///< query heads of a group read the same K and V
  };
  DenseAttention(const Problem& problem, const Device& device, KvHeads kv_heads);

 protected:
  void enqueue(const Tensors& tensors, cudaStream_t stream) override;

 private:
  TensorView repeat(const TensorView& from, std::int64_t part, cudaStream_t stream) const;

  bool repeats_;
  std::int64_t scores_;
  std::int64_t repeated_k_ = 0, repeated_v_ = 0;
  Matmul matmul_;
};

/// Both products over all pairs.
double dense_flops(const Problem& problem);

}  // namespace attnbench::cuda
