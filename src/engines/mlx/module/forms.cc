#include "engines/mlx/module/forms.h"

#include <mlx/fast.h>
#include <mlx/ops.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace attnbench::mlx {
namespace {

namespace mx = ::mlx::core;
using mx::array;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// One row of a mask: which of `width` columns, whose first is key `start`, are among keys [begin, end).
void allow(bool* row, std::int64_t start, std::int64_t width, KeyRange keys) {
  const auto from = std::clamp<std::int64_t>(keys.begin - start, 0, width);
  const auto to = std::clamp<std::int64_t>(keys.end - start, from, width);
  std::fill(row + from, row + to, true);
}

/// A mask of `rows` x `width` that `fill(r, row)` sets.
template <typename Fill>
array make_mask(std::int64_t rows, std::int64_t width, Fill fill) {
  const auto bits = std::make_unique<bool[]>(static_cast<std::size_t>(rows * width));
  for (std::int64_t r = 0; r < rows; ++r) fill(r, bits.get() + r * width);
  return array(bits.get(), {static_cast<int>(rows), static_cast<int>(width)}, mx::bool_);
}

array transposed(const array& x) { return mx::swapaxes(x, -1, -2); }

/// Rows [from, to) of dimension -2.
array rows(const array& x, int from, int to) {
  auto start = mx::Shape(x.ndim(), 0);
  auto stop = x.shape();
  if (from == 0 && to == x.shape(-2)) return x;
  start[x.ndim() - 2] = from;
  stop[x.ndim() - 2] = to;
  return mx::slice(x, start, stop);
}

/// Rows of one value before and after the rows.
array padded(const array& x, int before, int after, float value = 0) {
  if (before == 0 && after == 0) return x;
  return mx::pad(x, std::vector<int>{-2}, mx::Shape{before}, mx::Shape{after}, array(value));
}

/// Queries by the kv head that they read, (batch, kv_heads, group, ...), beside which k and v get a dimension
/// of one.
array by_group(const Plan& p, const array& q) {
  return p.group == 1 ? q : mx::unflatten(q, 1, {p.kv_heads, p.group});
}
array for_group(const Plan& p, const array& kv) { return p.group == 1 ? kv : mx::expand_dims(kv, 2); }
array all_heads(const Plan& p, const array& x) { return p.group == 1 ? x : mx::flatten(x, 1, 2); }

struct Weights {
  array p;
  std::optional<array> lse = {};
};

/// Scores of several parts beside each other become weights: one softmax.
Weights softmax_of(const Plan& plan, const array& products, const std::optional<array>& mask, bool with_lse) {
  auto scores = mx::multiply(products, array(plan.scale));
  if (mask) scores = mx::where(*mask, scores, array(-kInfinity));
  Weights weights{mx::softmax(scores, std::vector<int>{-1})};
  if (with_lse) weights.lse = mx::logsumexp(scores, -1, true);
  return weights;
}

std::optional<array> heads_of(const Plan& plan, const std::optional<array>& lse) {
  if (!lse) return {};
  return mx::reshape(*lse, {plan.batch, plan.heads, -1, 1});
}

/// Dense attention, K and V repeated for each of a group's heads.
Result unfused(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) {
  const auto all_k = plan.group == 1 ? k : mx::repeat(k, plan.group, 1);
  const auto all_v = plan.group == 1 ? v : mx::repeat(v, plan.group, 1);
  const auto w = softmax_of(plan, mx::matmul(q, transposed(all_k)), plan.mask, with_lse);
  return {mx::matmul(w.p, all_v), w.lse};
}

/// All pairs, then the band mask.
Result masked(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) {
  const auto products = mx::matmul(by_group(plan, q), transposed(for_group(plan, k)));
  const auto w = softmax_of(plan, products, plan.mask, with_lse);
  return {all_heads(plan, mx::matmul(w.p, for_group(plan, v))), heads_of(plan, w.lse)};
}

/// The window of each query, (batch, kv_heads, queries, places, dim): a slice of the padded sequence for
/// each, stacked; or one strided view of it.
array windows(const Plan& plan, const array& x, bool as_view, float padding = 0) {
  const auto last = plan.window_start + (plan.queries - 1) * plan.window_step + plan.places;
  const auto before = std::max(-plan.window_start, 0);
  const auto sequence = padded(x, before, std::max(last - plan.keys, 0), padding);
  const auto first = plan.window_start + before;
  const auto dim = x.shape(-1);
  if (as_view) {
    const auto rows_in = static_cast<std::int64_t>(sequence.shape(-2)) * dim;
    return mx::as_strided(sequence, {plan.batch, plan.kv_heads, plan.queries, plan.places, dim},
                          {plan.kv_heads * rows_in, rows_in, std::int64_t{plan.window_step} * dim, dim, 1},
                          static_cast<std::size_t>(first) * static_cast<std::size_t>(dim));
  }
  std::vector<array> slices;
  for (int i = 0; i < plan.queries; ++i) {
    const auto start = first + i * plan.window_step;
    slices.push_back(
        mx::slice(sequence, {0, 0, start, 0}, {plan.batch, plan.kv_heads, start + plan.places, dim}));
  }
  return mx::stack(slices, 2);
}

/// Each query times the keys and values of its own window. Without a mask the padding of k and v takes part
/// in the softmax.
Result gather(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse, bool as_view,
              float k_padding = 0) {
  const auto window_k = for_group(plan, windows(plan, k, as_view, k_padding));
  const auto window_v = for_group(plan, windows(plan, v, as_view));
  const auto products = mx::matmul(mx::expand_dims(by_group(plan, q), -2), transposed(window_k));
  const auto w = softmax_of(plan, products, plan.mask, with_lse);
  const auto o = mx::squeeze(mx::matmul(w.p, window_v), -2);
  return {all_heads(plan, o), heads_of(plan, w.lse)};
}

/// A batch of products for the diagonal blocks and one for the global keys, under one softmax; global queries
/// are dense rows.
Result batched(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) {
  const auto first_block = plan.position / plan.block * plan.block;
  const auto before = plan.position - first_block;
  const auto blocks = (plan.keys + plan.block - 1) / plan.block - first_block / plan.block;
  const auto after = first_block + blocks * plan.block - plan.keys;
  const auto in_blocks = [&](const array& x) { return mx::unflatten(x, -2, {blocks, plan.block}); };
  const auto grouped_q = by_group(plan, q);
  const auto grouped_k = for_group(plan, k);
  const auto grouped_v = for_group(plan, v);

  std::vector<array> parts_o, parts_lse;
  if (plan.dense > 0) {
    const auto products = mx::matmul(rows(grouped_q, 0, plan.dense), transposed(grouped_k));
    const auto w = softmax_of(plan, products, plan.dense_mask, with_lse);
    parts_o.push_back(mx::matmul(w.p, grouped_v));
    if (with_lse) parts_lse.push_back(*w.lse);
  }
  if (plan.dense < plan.queries) {
    const auto block_q = in_blocks(padded(grouped_q, before, after));
    const auto block_k = in_blocks(padded(rows(grouped_k, first_block, plan.keys), 0, after));
    const auto block_v = in_blocks(padded(rows(grouped_v, first_block, plan.keys), 0, after));
    auto products = mx::matmul(block_q, transposed(block_k));
    const auto global_v = mx::expand_dims(rows(grouped_v, 0, plan.globals), -3);
    if (plan.globals > 0) {
      const auto global_k = mx::expand_dims(rows(grouped_k, 0, plan.globals), -3);
      products = mx::concatenate({products, mx::matmul(block_q, transposed(global_k))}, -1);
    }
    const auto w = softmax_of(plan, products, plan.mask, with_lse);
    auto stop = w.p.shape();
    stop.back() = plan.block;
    auto o = mx::matmul(mx::slice(w.p, mx::Shape(w.p.ndim(), 0), stop), block_v);
    if (plan.globals > 0) {
      auto start = mx::Shape(w.p.ndim(), 0);
      start.back() = plan.block;
      o = mx::add(o, mx::matmul(mx::slice(w.p, start, w.p.shape()), global_v));
    }
    const auto in_order = [&](const array& x) {
      return rows(mx::flatten(x, -3, -2), before + plan.dense, before + plan.queries);
    };
    parts_o.push_back(in_order(o));
    if (with_lse) parts_lse.push_back(in_order(*w.lse));
  }
  const auto joined = [](const std::vector<array>& parts) {
    return parts.size() == 1 ? parts.front() : mx::concatenate(parts, -2);
  };
  Result result{all_heads(plan, joined(parts_o))};
  if (with_lse) result.lse = heads_of(plan, joined(parts_lse));
  return result;
}

/// The mean of two attentions: over the query's own block, and over the global keys.
Result batched_published(const Plan& plan, const array& q, const array& k, const array& v) {
  const auto blocks = (plan.keys + plan.block - 1) / plan.block;
  const auto after = blocks * plan.block - plan.keys;
  const auto in_blocks = [&](const array& x) {
    return mx::unflatten(padded(x, 0, after), -2, {blocks, plan.block});
  };
  const auto grouped_q = by_group(plan, q);
  const auto grouped_k = for_group(plan, k);
  const auto grouped_v = for_group(plan, v);
  const auto block_products = mx::matmul(in_blocks(grouped_q), transposed(in_blocks(grouped_k)));
  const auto block_weights = softmax_of(plan, block_products, plan.mask, false).p;
  const auto of_block =
      rows(mx::flatten(mx::matmul(block_weights, in_blocks(grouped_v)), -3, -2), 0, plan.queries);
  const auto global_products = mx::matmul(grouped_q, transposed(rows(grouped_k, 0, plan.globals)));
  const auto global_weights = softmax_of(plan, global_products, {}, false).p;
  const auto of_globals = mx::matmul(global_weights, rows(grouped_v, 0, plan.globals));
  return {all_heads(plan, mx::multiply(mx::add(of_block, of_globals), array(0.5f)))};
}

/// elu(x) + 1.
array phi(const array& x) {
  return mx::where(mx::greater(x, array(0.0f)), mx::add(x, array(1.0f)), mx::exp(x));
}

/// S = phi(K)^T V, then phi(Q) S over phi(Q) z + eps.
Result two_gemm(const Plan& plan, const array& q, const array& k, const array& v) {
  const auto features_k = phi(k);
  const auto features_q = phi(by_group(plan, q));
  const auto state = for_group(plan, mx::matmul(transposed(features_k), v));
  const auto z = for_group(plan, mx::sum(features_k, -2, true));
  const auto divisor = mx::add(mx::sum(mx::multiply(features_q, z), -1, true), array(plan.eps));
  return {all_heads(plan, mx::divide(mx::matmul(features_q, state), divisor))};
}

/// The same with prefix sums of phi(k) v^T, a dim_qk x dim_v matrix for each key.
Result cumsum(const Plan& plan, const array& q, const array& k, const array& v) {
  const auto features_k = phi(k);
  const auto features_q = phi(by_group(plan, q));
  const auto outer = mx::multiply(mx::expand_dims(features_k, -1), mx::expand_dims(v, -2));
  auto states = mx::cumsum(outer, 2);
  if (plan.position > 0) {
    states = mx::slice(states, {0, 0, plan.position, 0, 0}, states.shape());
  }
  const auto z = for_group(plan, rows(mx::cumsum(features_k, 2), plan.position, plan.keys));
  const auto numerator =
      mx::squeeze(mx::matmul(mx::expand_dims(features_q, -2), for_group(plan, states)), -2);
  const auto divisor = mx::add(mx::sum(mx::multiply(features_q, z), -1, true), array(plan.eps));
  return {all_heads(plan, mx::divide(numerator, divisor))};
}

/// mlx.fast. It has no log-sum-exp to give: where one is asked for it is computed beside it.
Result sdpa(const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) {
  const bool by_array = plan.mask && !plan.causal;
  const auto mask = by_array ? plan.mask : std::nullopt;
  Result result{mx::fast::scaled_dot_product_attention(q, k, v, plan.scale,
                                                       by_array      ? "array"
                                                       : plan.causal ? "causal"
                                                                     : "",
                                                       mask)};
  if (with_lse) {
    const auto f32 = [](const array& x) { return mx::astype(x, mx::float32); };
    result.lse = masked(plan, f32(q), f32(k), f32(v), true).lse;
  }
  return result;
}

}  // namespace

Plan::Plan(Form form, const Problem& problem, std::int64_t keys_in_use, const Services& services)
    : batch(static_cast<int>(problem.shape.batch)),
      heads(static_cast<int>(problem.shape.num_q_heads)),
      kv_heads(static_cast<int>(problem.mechanism.num_kv_heads)),
      group(heads / kv_heads),
      unseen(static_cast<int>(std::max<std::int64_t>(problem.shape.seqlen_q - keys_in_use, 0))),
      queries(static_cast<int>(problem.shape.seqlen_q) - unseen),
      keys(static_cast<int>(keys_in_use)),
      position(keys - queries),
      dim_qk(static_cast<int>(problem.shape.head_dim_qk)),
      dim_v(static_cast<int>(problem.shape.head_dim_v)),
      scale(static_cast<float>(problem.shape.softmax_scale)),
      eps(static_cast<float>(problem.mechanism.eps)),
      causal(problem.mechanism.kind != MechanismKind::swa && problem.mechanism.causal_bottom_right) {
  const auto& m = problem.mechanism;
  if (!m.is_softmax() || queries == 0) return;
  const auto allowed = [&](std::int64_t row) { return services.allowed_keys(m, position + row, keys); };
  const auto over_all_keys = [&](std::int64_t count) {
    return make_mask(count, keys, [&](std::int64_t r, bool* row) {
      allow(row, 0, keys, allowed(r).globals);
      allow(row, 0, keys, allowed(r).local);
    });
  };
  switch (form) {
    case Form::gather:
    case Form::gather_view: {
      const auto left = std::min<std::int64_t>(m.causal_bottom_right ? m.window - 1 : m.window / 2, keys);
      const auto right = m.causal_bottom_right ? 0 : std::min<std::int64_t>(m.window / 2, keys);
      const bool whole = left + 1 + right > keys;
      places = whole ? keys : static_cast<int>(left + 1 + right);
      window_start = whole ? 0 : position - static_cast<int>(left);
      window_step = whole ? 0 : 1;
      mask = make_mask(queries, places, [&](std::int64_t r, bool* row) {
        allow(row, window_start + r * window_step, places, allowed(r).local);
      });
      mask = ::mlx::core::expand_dims(*mask, 1);
      break;
    }
    case Form::gather_published: {
      const auto side = static_cast<int>(m.window / 2);
      places = 2 * side + 1;
      window_start = position - side;
      break;
    }
    case Form::batched_published: {
      block = static_cast<int>(m.block_size);
      globals = static_cast<int>(std::min<std::int64_t>(m.globals, keys));
      const auto blocks = (keys + block - 1) / block;
      if (blocks * block == keys) break;
      mask = make_mask(blocks * block, block,
                       [&](std::int64_t r, bool* row) { allow(row, r / block * block, block, {0, keys}); });
      mask = ::mlx::core::reshape(*mask, {blocks, block, block});
      break;
    }
    case Form::batched: {
      block = static_cast<int>(std::min<std::int64_t>(m.block_size, keys));
      globals = static_cast<int>(std::min<std::int64_t>(m.globals, keys));
      dense = std::clamp(globals - position, 0, queries);
      const auto first = position / block * block;
      const auto blocks = (keys + block - 1) / block - first / block;
      if (dense > 0 && causal) dense_mask = over_all_keys(dense);
      mask = make_mask(blocks * block, block + globals, [&](std::int64_t r, bool* row) {
        const auto own = services.allowed_keys(m, first + r, keys);
        allow(row, first + r / block * block, block, own.local);
        allow(row + block, 0, globals, own.globals);
      });
      mask = ::mlx::core::reshape(*mask, {blocks, block, block + globals});
      break;
    }
    default:
      if (causal || m.kind == MechanismKind::swa) mask = over_all_keys(queries);
  }
  for (auto* made : {&mask, &dense_mask}) {
    if (*made) (*made)->eval();
  }
}

Result build(Form form, const Plan& plan, const array& q, const array& k, const array& v, bool with_lse) {
  switch (form) {
    case Form::unfused:
      return unfused(plan, q, k, v, with_lse);
    case Form::masked:
      return masked(plan, q, k, v, with_lse);
    case Form::gather:
      return gather(plan, q, k, v, with_lse, false);
    case Form::gather_view:
      return gather(plan, q, k, v, with_lse, true);
    case Form::batched:
      return batched(plan, q, k, v, with_lse);
    case Form::two_gemm:
      return two_gemm(plan, q, k, v);
    case Form::cumsum:
      return cumsum(plan, q, k, v);
    case Form::sdpa:
      return sdpa(plan, q, k, v, with_lse);
    case Form::gather_published:
      return gather(plan, q, k, v, with_lse, false, -1e9f);
    case Form::batched_published:
      return batched_published(plan, q, k, v);
  }
  return {q};
}

}  // namespace attnbench::mlx
