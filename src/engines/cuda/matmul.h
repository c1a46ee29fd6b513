#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>

#include "attnbench/dtype.h"
#include "engines/cuda/device_memory.h"

namespace attnbench::cuda {

/// Rows of a matrix in memory: a row every `row_stride` elements, a matrix every `batch_stride`. Transposed:
/// the matrix is that of memory with rows and columns exchanged.
struct MatrixRows {
  std::int64_t row_stride = 0;
  std::int64_t batch_stride = 0;
  bool transposed = false;
  auto operator<=>(const MatrixRows&) const = default;
};

/// C (m x n) = A (m x k) B (k x n), `batch` times; or C += A B. Sums are f32, never TF32.
struct Product {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  DType in = DType::f32;   ///< of A and B
  DType out = DType::f32;  ///< of C: f32 or that of A and B
  MatrixRows a = {}, b = {}, c = {};
  bool accumulate = false;
  auto operator<=>(const Product&) const = default;
};

/// Products by cuBLASLt. Which of its kernels computes one is asked once for each form of product.
class Matmul {
 public:
  explicit Matmul(Workspace& workspace);
  ~Matmul();
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  /// Enqueues. Throws std::runtime_error where cuBLASLt has no kernel for it.
  void run(const Product& product, const void* a, const void* b, void* c, cudaStream_t stream);

 private:
  struct Plan;
  Plan& plan_of(const Product& product);

  Workspace& workspace_;
  std::int64_t scratch_;
  void* handle_ = nullptr;
  std::map<Product, std::unique_ptr<Plan>> plans_;
};

}  // namespace attnbench::cuda
