#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// What a tensor of a call is. Core scope has q, k, v and o; layer scope x, the weights and o. `lse` is the
/// log-sum-exp of each query's scores, natural logarithm.
enum class Role : std::uint8_t { q, k, v, x, wq, wk, wv, wo, o, lse };
inline constexpr std::array kAllRoles = {Role::q,  Role::k,  Role::v,  Role::x, Role::wq,
                                         Role::wk, Role::wv, Role::wo, Role::o, Role::lse};
std::string_view name(Role role);

enum class Access : std::uint8_t { in, out };

/// One tensor of a call.
struct TensorSpec {
  Role role = Role::q;
  Access access = Access::in;
  /// q, k, v, o: (batch, heads, sequence, head_dim); lse: (batch, heads, seqlen_q, 1);
  /// x and the layer's o: (batch, 1, sequence, d_model); weights: (1, 1, inputs, outputs).
  std::array<std::int64_t, 4> sizes = {0, 0, 0, 0};
  DType dtype = DType::f32;
  Layout layout = Layout::bhsd;  ///< of dense memory
  bool optional = false;         ///< a call computes it only where it is given

  std::int64_t bytes() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3] * size_bytes(dtype); }
  bool operator==(const TensorSpec&) const = default;
};

/// Every tensor of a call of this problem, inputs before outputs; k and v at their prepared capacity. The
/// first output is what a kernel is judged and compared by.
std::vector<TensorSpec> roles_of(const Problem& problem);

/// A strided view of memory it does not own. Four dimensions, those of TensorSpec::sizes, whatever the layout
/// in memory. Strides count elements; the last is 1.
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
  /// The same, whatever the element type.
  std::byte* row_bytes(std::int64_t batch, std::int64_t head, std::int64_t position) const {
    return static_cast<std::byte*>(data) +
           (batch * strides[0] + head * strides[1] + position * strides[2]) * size_bytes(dtype);
  }
  std::int64_t elements() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3]; }
  /// True when the elements of one (batch, head) lie without gaps between rows.
  bool rows_are_contiguous() const { return strides[2] == sizes[3] && strides[3] == 1; }
};

/// The tensors of one call, by role; a role that is not given has no data. `lse` may be left out: then it is
/// not computed. k and v may hold fewer keys than Problem::shape.seqlen_kv (decode): k.sizes[2] counts.
/// Inputs may share memory with each other, never with an output.
///
/// What they may hold, for softmax mechanisms and causal_linear, on every kernel and path:
/// - A key that a query may not see has exactly no weight for it. Finite elements of its V, of any size,
///   change no bit of the query's row; its K, infinities and NaN included, changes no more than rounding. V
///   of a hidden key must be finite where the call has it at all: it is multiplied by that 0 wherever a tile,
///   a block or a window also holds visible keys. Keys beyond Shape::seqlens_kv or k.sizes[2] are not read.
/// - Of visible elements, |q k^T| without the scale is below 2^126, and |V| times 2^16 times the number of
///   keys below 2^128: scores and sums are f32, and rows are normalised last. Scores may be as large as that
///   allows: the greatest of a row has weight 1, equal ones equal weights. A weight below 2^-125 of a row's
///   greatest counts as 0. NaN gives NaN in the rows that see it.
class Tensors {
 public:
  TensorView& operator[](Role role) { return views_[static_cast<std::size_t>(role)]; }
  const TensorView& operator[](Role role) const { return views_[static_cast<std::size_t>(role)]; }

 private:
  std::array<TensorView, kAllRoles.size()> views_;
};

/// A dense view in the given layout over `data`.
TensorView dense_view(void* data, DType dtype, Layout layout, std::int64_t batch, std::int64_t heads,
                      std::int64_t sequence, std::int64_t head_dim);
TensorView dense_view(void* data, const TensorSpec& spec);

/// Fills the view's elements with NaN; what lies between its rows stays.
void fill_nan(const TensorView& view);
/// Copies element by element between views of one element type and equal sizes, whatever their strides.
void copy_elements(const TensorView& from, const TensorView& to);

/// Throws InputError if a role is missing, has other sizes or types than roles_of() says (k and v may have
/// fewer keys), is not aligned to its element, or if an output overlaps another tensor or itself. Of strides,
/// in dimensions of more than one entry: the last is 1, that of rows is at least their width, none is
/// negative; batch entries and heads of an input may share memory, down to a stride of 0.
void check_tensors(const Problem& problem, const Tensors& tensors);

}  // namespace attnbench

#pragma GCC visibility pop
