#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "attnbench/dtype.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// Memory order of q, k, v and o: batch, heads, sequence, head_dim; or batch, sequence, heads, head_dim.
enum class Layout : std::uint8_t { bhsd, bshd };

std::string_view name(Layout layout);
Layout parse_layout(std::string_view text);

/// Sizes and element types of one attention problem. Sizes are element counts.
struct Shape {
  std::int64_t batch = 1;
  std::int64_t num_q_heads = 1;
  std::int64_t seqlen_q = 1;
  std::int64_t seqlen_kv = 1;  ///< prepared capacity; a call may use fewer keys (k.sizes[2])
  std::int64_t head_dim_qk = 64;
  std::int64_t head_dim_v = 64;
  DType dtype_q = DType::f32;
  DType dtype_kv = DType::f32;
  DType dtype_o = DType::f32;
  Layout layout = Layout::bhsd;
  /// Factor on Q K^T, of any sign or 0; in size from 1.2e-38 to 2.3e+38, so that f32 holds it. There is no
  /// hidden default: NaN (unset) is rejected for softmax mechanisms.
  double softmax_scale = std::numeric_limits<double>::quiet_NaN();
  /// Width of the residual stream; used in layer scope only, else 0.
  std::int64_t d_model = 0;
  /// Keys in use per batch entry; empty means seqlen_kv for all.
  std::vector<std::int64_t> seqlens_kv = {};

  bool operator==(const Shape&) const = default;
};

}  // namespace attnbench

#pragma GCC visibility pop
