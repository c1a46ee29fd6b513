#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attnbench/cpu_device.h"
#include "attnbench/dtype.h"
#include "attnbench/host_kernel.h"
#include "attnbench/tensor.h"
#include "engines/cpu/workspace.h"

namespace attnbench::cpu {

/// How a matrix lies in memory: element (r, c) of batch entry i is at i * batch_stride + r * row_stride +
/// c * col_stride elements. One of row_stride and col_stride is 1.
struct MatrixLayout {
  DType dtype = DType::f32;
  std::int64_t row_stride = 0;
  std::int64_t col_stride = 1;
  std::int64_t batch_stride = 0;
  bool operator==(const MatrixLayout&) const = default;
};

/// Row stride of a view; that of a single row says nothing, so the prepared one stands for it.
inline std::int64_t row_stride(const TensorView& view, std::int64_t prepared) {
  return view.sizes[2] == 1 ? prepared : view.strides[2];
}

/// C (m x n) = A (m x k) B (k x n), `batch` times.
struct MatmulShape {
  std::int64_t m = 0, n = 0, k = 0;
  MatrixLayout a, b, c;
  std::int64_t batch = 1;
  bool in_f32 = false;  ///< whatever operand_type() says: all three are f32 to the library
  bool operator==(const MatmulShape&) const = default;
};

/// Whether there are products of this element type on this CPU.
Support matmul_support(DType dtype, const CpuDevice& device);

/// The element type in which the library multiplies what is given in this one, and the type for what a kernel
/// keeps between two products. With oneDNN f16 is multiplied in f32, since it has f16 products in 3.x on few
/// CPUs alone; with Accelerate (macOS), whose BLAS has f32 products, both types of two bytes are.
DType operand_type(DType dtype);

/// A matrix product by oneDNN (2.6 or 3.x), on macOS by Accelerate, accumulated in f32. A and B share one
/// operand_type(); C has it too or is f32. Matrices of another operand_type(), or that are multiplied in_f32,
/// are widened to it in the workspace before the product, and C is rounded after it, as part of each run.
/// Prepared for one shape and layout; a widened matrix is never larger than prepared; other sizes and strides
/// (with the same unit strides, C's in its columns) run, with oneDNN, through a primitive that takes them at
/// run time, about 5 % slower and with oneDNN's own temporary memory.
class Matmul {
 public:
  /// How one call is executed.
  enum class Threading {
    caller,  ///< by the calling thread alone; `threads` callers may run at once, each with its own number
    team,    ///< by `threads` threads of the library's pool; one caller, number 0
  };
  enum class Result { overwrite, accumulate };  ///< C = A B, or C += A B (f32 only)

  Matmul(const MatmulShape& shape, Threading threading, int threads, Workspace& workspace,
         Result result = Result::overwrite);
  Matmul(Matmul&&) noexcept;
  ~Matmul();

  /// The prepared shape. The workspace must have been allocated.
  void run(int caller, const void* a, const void* b, void* c) { run(caller, shape(), a, b, c); }
  void run(int caller, const MatmulShape& shape, const void* a, const void* b, void* c);

  const MatmulShape& shape() const;
  /// The library's name of the code it chose for the prepared shape: "brg:avx512_core_bf16".
  std::string implementation() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnbench::cpu
