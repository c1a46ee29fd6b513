#include "attnbench/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <utility>

#include "attnbench/error.h"

namespace attnbench {
namespace {

using Role = std::pair<std::string_view, const TensorView*>;

[[noreturn]] void reject_stride(std::string_view role, const TensorView& view, std::size_t dimension,
                                const std::string& problem) {
  throw InputError(fmt::format("{}.strides[{}]", role, dimension), std::to_string(view.strides[dimension]),
                   problem);
}

/// Matrix products take rows by a stride of at least their width; batch entries and heads may be the same
/// memory. A dimension of one entry has no stride to speak of.
void check_strides(std::string_view role, const TensorView& view) {
  constexpr std::int64_t kFarthest = std::int64_t{1} << 58;  // bytes; three such sums do not overflow
  for (std::size_t d = 0; d < 3; ++d) {
    const auto stride = view.strides[d];
    if (view.sizes[d] == 1) continue;
    if (stride < 0) reject_stride(role, view, d, "is negative");
    if (stride > kFarthest / size_bytes(view.dtype) / view.sizes[d]) {
      reject_stride(role, view, d, "reaches beyond 2^58 bytes");
    }
    if (d == 2 && stride < view.sizes[3]) {
      reject_stride(role, view, d, fmt::format("is below {}, the width of a row", view.sizes[3]));
    }
  }
}

/// Each element of an output is a place of its own: from the least stride to the greatest, each is at least
/// what the entries within it span.
void check_no_self_overlap(std::string_view role, const TensorView& view) {
  std::array<std::size_t, 3> order{0, 1, 2};
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return view.strides[a] < view.strides[b]; });
  auto span = view.sizes[3];
  for (const auto d : order) {
    if (view.sizes[d] == 1) continue;
    if (view.strides[d] < span) {
      reject_stride(role, view, d,
                    fmt::format("is below the {} elements in between: it overlaps itself", span));
    }
    span += (view.sizes[d] - 1) * view.strides[d];
  }
}

void check_role(std::string_view role, const TensorView& view, DType dtype,
                std::array<std::int64_t, 4> sizes) {
  if (!view) throw InputError(role, "null", "is missing");
  if (view.dtype != dtype) {
    throw InputError(role, name(view.dtype), fmt::format("is not the prepared type {}", name(dtype)));
  }
  if (view.sizes != sizes) {
    throw InputError(role, fmt::format("{}", fmt::join(view.sizes, "x")),
                     fmt::format("is not the prepared size {}", fmt::join(sizes, "x")));
  }
  if (view.strides[3] != 1) {
    throw InputError(role, std::to_string(view.strides[3]), "is not a last stride of 1");
  }
  check_strides(role, view);
  const auto address = reinterpret_cast<std::uintptr_t>(view.data);
  if (address % static_cast<std::uintptr_t>(size_bytes(dtype)) != 0) {
    throw InputError(role, fmt::format("{:#x}", address), "is not aligned to its element");
  }
}

/// First byte and one past the last byte the view can touch.
std::pair<std::intptr_t, std::intptr_t> extent(const TensorView& view) {
  std::int64_t last = 0;
  for (std::size_t d = 0; d < 4; ++d) last += (view.sizes[d] - 1) * view.strides[d];
  const auto start = reinterpret_cast<std::intptr_t>(view.data);
  return {start, start + (last + 1) * size_bytes(view.dtype)};
}

void check_no_overlap(const Role& output, std::initializer_list<Role> inputs) {
  if (!*output.second) return;
  const auto [begin, end] = extent(*output.second);
  for (const auto& [role, view] : inputs) {
    if (!*view) continue;
    const auto [other_begin, other_end] = extent(*view);
    if (begin < other_end && other_begin < end) {
      throw InputError(output.first, fmt::format("{:#x}", begin), fmt::format("overlaps {}", role));
    }
  }
}

}  // namespace

TensorView dense_view(void* data, DType dtype, Layout layout, std::int64_t batch, std::int64_t heads,
                      std::int64_t sequence, std::int64_t head_dim) {
  TensorView view{data, dtype, {batch, heads, sequence, head_dim}, {0, 0, 0, 1}};
  view.strides[0] = heads * sequence * head_dim;
  view.strides[1] = layout == Layout::bhsd ? sequence * head_dim : head_dim;
  view.strides[2] = layout == Layout::bhsd ? head_dim : heads * head_dim;
  return view;
}

void check_tensors(const Problem& problem, const Tensors& t) {
  const auto& s = problem.shape;
  const auto kv_heads = problem.mechanism.num_kv_heads;
  if (problem.scope == Scope::core) {
    const auto keys = t.k.sizes[2];
    if (keys < 1 || keys > s.seqlen_kv) {
      throw InputError("k", fmt::format("{} keys", keys), fmt::format("is outside 1..{}", s.seqlen_kv));
    }
    check_role("q", t.q, s.dtype_q, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_qk});
    check_role("k", t.k, s.dtype_kv, {s.batch, kv_heads, keys, s.head_dim_qk});
    check_role("v", t.v, s.dtype_kv, {s.batch, kv_heads, keys, s.head_dim_v});
    check_role("o", t.o, s.dtype_o, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_v});
  } else {
    check_role("x", t.x, s.dtype_q, {s.batch, 1, s.seqlen_q, s.d_model});
    check_role("wq", t.wq, s.dtype_q, {1, 1, s.d_model, s.num_q_heads * s.head_dim_qk});
    check_role("wk", t.wk, s.dtype_q, {1, 1, s.d_model, kv_heads * s.head_dim_qk});
    check_role("wv", t.wv, s.dtype_q, {1, 1, s.d_model, kv_heads * s.head_dim_v});
    check_role("wo", t.wo, s.dtype_q, {1, 1, s.num_q_heads * s.head_dim_v, s.d_model});
    check_role("o", t.o, s.dtype_o, {s.batch, 1, s.seqlen_q, s.d_model});
  }
  check_no_self_overlap("o", t.o);
  if (t.lse) {
    check_role("lse", t.lse, DType::f32, {s.batch, s.num_q_heads, s.seqlen_q, 1});
    check_no_self_overlap("lse", t.lse);
  }
  const std::initializer_list<Role> inputs = {{"q", &t.q},   {"k", &t.k},   {"v", &t.v},   {"x", &t.x},
                                              {"wq", &t.wq}, {"wk", &t.wk}, {"wv", &t.wv}, {"wo", &t.wo}};
  check_no_overlap({"o", &t.o}, inputs);
  check_no_overlap({"lse", &t.lse}, inputs);
  check_no_overlap({"lse", &t.lse}, {{"o", &t.o}});
}

}  // namespace attnbench
