#include "engines/cpu/widened_operands.h"

#include <stdexcept>

#include "core/parallel.h"
#include "engines/cpu/row_ops.h"

namespace attnbench::cpu {
namespace {

/// The type that the library sees of a matrix of this type.
DType seen_type(const MatmulShape& shape, DType dtype) {
  return shape.in_f32 ? DType::f32 : operand_type(dtype);
}

bool is_widened(const MatmulShape& shape, const MatrixLayout& layout) {
  return seen_type(shape, layout.dtype) != layout.dtype;
}

/// Calls body(offset in the matrix, offset in its dense copy, elements) for all lines that lie without gaps.
template <typename Body>
void for_lines(const MatrixLayout& layout, std::int64_t batch, std::int64_t rows, std::int64_t cols,
               int threads, const Body& body) {
  const bool by_rows = layout.col_stride == 1;
  const auto lines = by_rows ? rows : cols;
  const auto length = by_rows ? cols : rows;
  const auto stride = by_rows ? layout.row_stride : layout.col_stride;
  const auto copy = [&](std::int64_t begin, std::int64_t end, int) {
    for (auto line = begin; line < end; ++line) {
      body(line / lines * layout.batch_stride + line % lines * stride, line * length, length);
    }
  };
  if (threads == 1) return copy(0, batch * lines, 0);
  parallel_for(threads, batch * lines, copy);
}

/// The matrix as the library sees it: itself, or a copy in `copy` where there is one.
const void* widened(const void* matrix, const MatrixLayout& layout, std::int64_t batch, std::int64_t rows,
                    std::int64_t cols, int threads, float* copy) {
  if (copy == nullptr) return matrix;
  for_lines(layout, batch, rows, cols, threads, [&](std::int64_t from, std::int64_t to, std::int64_t count) {
    widen(static_cast<const char*>(matrix) + from * size_bytes(layout.dtype), copy + to, count, layout.dtype);
  });
  return copy;
}

}  // namespace

MatmulShape operand_shape(const MatmulShape& s) {
  auto shape = s;
  const auto see = [&](MatrixLayout& layout, std::int64_t rows, std::int64_t cols) {
    if (!is_widened(s, layout)) return;
    const bool by_rows = layout.col_stride == 1;
    layout = {seen_type(s, layout.dtype), by_rows ? cols : 1, by_rows ? 1 : rows, rows * cols};
  };
  see(shape.a, s.m, s.k);
  see(shape.b, s.k, s.n);
  see(shape.c, s.m, s.n);
  return shape;
}

WidenedOperands::WidenedOperands(const MatmulShape& shape, int callers, int threads, Workspace& workspace)
    : most_(shape), threads_(threads) {
  const auto copies = [&](const MatrixLayout& layout, std::int64_t rows, std::int64_t cols) {
    if (!is_widened(shape, layout)) return ThreadParts();
    return ThreadParts(workspace, callers, shape.batch * rows * cols * size_bytes(DType::f32));
  };
  a_ = copies(shape.a, shape.m, shape.k);
  b_ = copies(shape.b, shape.k, shape.n);
  c_ = copies(shape.c, shape.m, shape.n);
}

WidenedOperands::Operands WidenedOperands::widen(const Workspace& workspace, int caller,
                                                 const MatmulShape& shape, const void* a, const void* b,
                                                 void* c) const {
  const auto& s = shape;
  const auto copy = [&](const MatrixLayout& layout, const ThreadParts& copies, std::int64_t elements,
                        std::int64_t room) -> float* {
    if (!is_widened(s, layout)) return nullptr;
    if (elements > room)
      throw std::logic_error("a matrix that is multiplied in another type is larger than prepared");
    return copies.at<float>(workspace, caller);
  };
  float* const c_copy = copy(s.c, c_, s.batch * s.m * s.n, most_.batch * most_.m * most_.n);
  return {widened(a, s.a, s.batch, s.m, s.k, threads_,
                  copy(s.a, a_, s.batch * s.m * s.k, most_.batch * most_.m * most_.k)),
          widened(b, s.b, s.batch, s.k, s.n, threads_,
                  copy(s.b, b_, s.batch * s.k * s.n, most_.batch * most_.k * most_.n)),
          c_copy != nullptr ? c_copy : c};
}

void WidenedOperands::round(const MatmulShape& shape, const Operands& operands, void* c) const {
  if (operands.c == c) return;
  const auto* const copy = static_cast<const float*>(operands.c);
  for_lines(shape.c, shape.batch, shape.m, shape.n, threads_,
            [&](std::int64_t to, std::int64_t from, std::int64_t count) {
              divide(copy + from, 1, static_cast<char*>(c) + to * size_bytes(shape.c.dtype), count,
                     shape.c.dtype);
            });
}

}  // namespace attnbench::cpu
