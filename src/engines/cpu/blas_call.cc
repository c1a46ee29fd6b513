#include "engines/cpu/blas_call.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace attnbench::cpu {
namespace {

int to_int(std::int64_t value) {
  if (value > std::numeric_limits<int>::max()) throw std::length_error("too large a matrix for CBLAS");
  return static_cast<int>(value);
}

struct Operand {
  bool transposed;
  int stride;
};

/// Lines of `cols` elements, or of `rows` where the matrix lies by columns. The stride of a single line says
/// nothing, but must be no shorter than the line.
Operand operand(const MatrixLayout& layout, std::int64_t rows, std::int64_t cols) {
  const bool by_rows = layout.col_stride == 1;
  const auto lines = by_rows ? rows : cols;
  const auto length = std::max<std::int64_t>(by_rows ? cols : rows, 1);
  const auto stride = by_rows ? layout.row_stride : layout.col_stride;
  return {!by_rows, to_int(lines > 1 ? stride : std::max(stride, length))};
}

}  // namespace

BlasCall blas_call(const MatmulShape& s) {
  const auto a = operand(s.a, s.m, s.k);
  const auto b = operand(s.b, s.k, s.n);
  const auto c = operand(s.c, s.m, s.n);
  return {a.transposed, b.transposed, to_int(s.m), to_int(s.n), to_int(s.k), a.stride, b.stride, c.stride};
}

}  // namespace attnbench::cpu
