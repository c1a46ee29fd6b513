#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "attnbench/problem.h"

namespace attnbench {

/// A strided view of memory it does not own. Four dimensions, in this order whatever the layout in memory:
/// q, k, v, o: (batch, heads, sequence, head_dim); lse: (batch, heads, seqlen_q, 1), f32;
/// x and the layer output: (batch, 1, sequence, d_model); weights: (1, 1, inputs, outputs).
/// Strides count elements; the last is 1.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::array<std::int64_t, 4> sizes = {0, 0, 0, 0};
  std::array<std::int64_t, 4> strides = {0, 0, 0, 1};

  explicit operator bool() const { return data != nullptr; }

  /// Start of row (batch, head, position).
  template <typename T>
  T* row(std::int64_t batch, std::int64_t head, std::int64_t position) const {
    return static_cast<T*>(data) + batch * strides[0] + head * strides[1] + position * strides[2];
  }
  /// True when the elements of one (batch, head) lie without gaps between rows.
  bool rows_are_contiguous() const { return strides[2] == sizes[3] && strides[3] == 1; }
};

/// The roles of one call. Core scope uses q, k, v, o; layer scope x, wq, wk, wv, wo, o. `lse` may be empty:
/// then it is not computed; where given, it receives log(sum(exp(scale q k^T))), natural logarithm.
/// k and v may hold fewer keys than Problem::shape.seqlen_kv (decode): k.sizes[2] counts.
/// Inputs may share memory with each other, never with o or lse.
///
/// What they may hold, for softmax mechanisms and causal_linear, on every kernel and path:
/// - A key that a query may not see has exactly no weight for it. Finite elements of its V, of any size,
/// change no
///   bit of the query's row; its K, infinities and NaN included, changes no more than rounding. V of a hidden
///   key must be finite where the call has it at all: it is multiplied by that 0 wherever a tile, a block or
///   a window also holds visible keys. Keys beyond Shape::seqlens_kv or k.sizes[2] are not read.
/// - Of visible elements, |q k^T| without the scale is below 2^126, and |V| times 2^16 times the number of
/// keys
///   below 2^128: scores and sums are f32, and rows are normalised last. Scores may be as large as that
///   allows: the greatest of a row has weight 1, equal ones equal weights. A weight below 2^-125 of a row's
///   greatest counts as 0. NaN gives NaN in the rows that see it.
struct Tensors {
  TensorView q, k, v, o, lse;
  TensorView x, wq, wk, wv, wo;
};

/// A dense view in the given layout over `data`.
TensorView dense_view(void* data, DType dtype, Layout layout, std::int64_t batch, std::int64_t heads,
                      std::int64_t sequence, std::int64_t head_dim);

/// Throws InputError if a role is missing, has other sizes or types than the problem says, is not aligned to
/// its element, or if o or lse overlaps an input or itself. Of strides, in dimensions of more than one entry:
/// the last is 1, that of rows is at least their width, none is negative; batch entries and heads of an input
/// may share memory, down to a stride of 0.
void check_tensors(const Problem& problem, const Tensors& tensors);

}  // namespace attnbench
