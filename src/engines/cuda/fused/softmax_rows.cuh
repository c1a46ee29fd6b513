#pragma once

#include <cmath>

#include "engines/cuda/fused/softmax.h"

/// What the kernels of softmax attention share: where rows lie, and their log-sum-exp.
namespace attnbench::cuda {
namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr unsigned kAllLanes = 0xffffffffu;

/// Up to here an exponent is one multiply-add: the product with the row's maximum is off by less than 2^-17,
/// so the probabilities by 5e-6 of themselves. Beyond, the difference is taken first.
constexpr float kOneRounding = 128;

/// Where a row of packed queries lies.
struct RowPlace {
  int query, head;
};
__device__ RowPlace place_of(const SoftmaxCall& call, int row, int kv_head) {
  return {row / call.group, kv_head * call.group + row % call.group};
}

template <typename T>
__device__ T* row_of(const Strided& view, int batch, int head, int row) {
  return static_cast<T*>(view.data) + batch * view.batch_stride + head * view.head_stride +
         row * view.row_stride;
}

/// m in units of the scores, c the factor from those to powers of two.
__device__ void store_lse(const SoftmaxCall& call, int batch, RowPlace at, float m, float sum) {
  if (call.lse.data == nullptr) return;
  *row_of<float>(call.lse, batch, at.head, at.query) =
      sum == 0 ? -INFINITY : m * fabsf(call.scale) + logf(sum);
}

}  // namespace
}  // namespace attnbench::cuda
