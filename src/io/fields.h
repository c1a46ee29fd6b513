#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "attnbench/shape.h"

namespace attnbench {

// A record has one list of its fields, visit_fields() beside its struct, and everything that writes or reads
// it follows that list: JSON (io/record_json.h), columns of the store (store/columns.h), exported rows.

template <typename T, typename Record>
concept RecordOf = std::same_as<std::remove_const_t<T>, Record>;

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

/// Calls visit(name, field) for each field, in order.
template <RecordOf<Shape> S, typename Visit>
void visit_fields(S& shape, Visit&& visit) {
  visit("batch", shape.batch);
  visit("num_q_heads", shape.num_q_heads);
  visit("seqlen_q", shape.seqlen_q);
  visit("seqlen_kv", shape.seqlen_kv);
  visit("head_dim_qk", shape.head_dim_qk);
  visit("head_dim_v", shape.head_dim_v);
  visit("dtype_q", shape.dtype_q);
  visit("dtype_kv", shape.dtype_kv);
  visit("dtype_o", shape.dtype_o);
  visit("layout", shape.layout);
  visit("softmax_scale", shape.softmax_scale);
  visit("d_model", shape.d_model);
  visit("seqlens_kv", shape.seqlens_kv);
}

}  // namespace attnbench
