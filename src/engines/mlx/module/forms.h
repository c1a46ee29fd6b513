#pragma once

#include <mlx/array.h>

#include <optional>

#include "engines/mlx/backend.h"

namespace attnbench::mlx {

/// What a form needs of the shape and the mechanism for a number of keys, made once: constants of a call.
struct Plan {
  Plan(Form form, const Problem& problem, std::int64_t keys, const Services& services);

  int batch, heads, kv_heads, group;
  int unseen;   ///< queries before the first that sees a key
  int queries;  ///< those that see keys
  int keys;
  int position;  ///< of the first of these
  int dim_qk, dim_v;
  float scale, eps;
  bool causal;
  int places = 0, window_start = 0,
      window_step = 1;                          ///< windows: keys of each, start of the first, to the next
  int block = 0, globals = 0, dense = 0;        ///< block-sparse: dense: queries that see all keys
  std::optional<::mlx::core::array> mask = {};  ///< where a query sees a key, as wide as the form's scores
  std::optional<::mlx::core::array> dense_mask = {};
};

struct Result {
  ::mlx::core::array o;                        ///< (batch, heads, queries, dim_v)
  std::optional<::mlx::core::array> lse = {};  ///< (batch, heads, queries, 1), f32
};

/// The graph of one call on q (batch, heads, queries, dim_qk), k and v (batch, kv_heads, keys, dim): nothing
/// is computed before it is evaluated. Queries that see no key are not in it.
Result build(Form form, const Plan& plan, const ::mlx::core::array& q, const ::mlx::core::array& k,
             const ::mlx::core::array& v, bool with_lse);

}  // namespace attnbench::mlx
