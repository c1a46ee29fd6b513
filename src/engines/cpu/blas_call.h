#pragma once

#include "engines/cpu/matmul.h"

namespace attnbench::cpu {

/// One product of a MatmulShape as the arguments of cblas_?gemm, rows first.
struct BlasCall {
  bool transpose_a = false;
  bool transpose_b = false;
  int m = 0, n = 0, k = 0;
  int lda = 0, ldb = 0, ldc = 0;
  bool operator==(const BlasCall&) const = default;
};
/// Throws std::length_error for sizes or strides that CBLAS's int does not hold.
BlasCall blas_call(const MatmulShape& shape);

}  // namespace attnbench::cpu
