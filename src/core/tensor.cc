#include "attnbench/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "attnbench/error.h"
#include "core/each_row.h"
#include "core/names.h"

namespace attnbench {
namespace {

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

void check_no_overlap(std::string_view role, const TensorView& output, std::string_view other_role,
                      const TensorView& other) {
  const auto [begin, end] = extent(output);
  const auto [other_begin, other_end] = extent(other);
  if (begin < other_end && other_begin < end) {
    throw InputError(role, fmt::format("{:#x}", begin), fmt::format("overlaps {}", other_role));
  }
}

/// k and v may hold fewer keys than prepared.
std::array<std::int64_t, 4> sizes_of_call(const TensorSpec& spec, const Tensors& tensors) {
  auto sizes = spec.sizes;
  if (spec.role == Role::k || spec.role == Role::v) sizes[2] = tensors[Role::k].sizes[2];
  return sizes;
}

constexpr NameTable<Role, kAllRoles.size()> kRoleNames{{{Role::q, "q"},
                                                        {Role::k, "k"},
                                                        {Role::v, "v"},
                                                        {Role::x, "x"},
                                                        {Role::wq, "wq"},
                                                        {Role::wk, "wk"},
                                                        {Role::wv, "wv"},
                                                        {Role::wo, "wo"},
                                                        {Role::o, "o"},
                                                        {Role::lse, "lse"}}};

}  // namespace

TensorView dense_view(void* data, DType dtype, Layout layout, std::int64_t batch, std::int64_t heads,
                      std::int64_t sequence, std::int64_t head_dim) {
  TensorView view{data, dtype, {batch, heads, sequence, head_dim}, {0, 0, 0, 1}};
  view.strides[0] = heads * sequence * head_dim;
  view.strides[1] = layout == Layout::bhsd ? sequence * head_dim : head_dim;
  view.strides[2] = layout == Layout::bhsd ? head_dim : heads * head_dim;
  return view;
}

TensorView dense_view(void* data, const TensorSpec& spec) {
  const auto& [batch, heads, sequence, width] = spec.sizes;
  return dense_view(data, spec.dtype, spec.layout, batch, heads, sequence, width);
}

std::string_view name(Role role) { return name_in(kRoleNames, role); }

std::vector<TensorSpec> roles_of(const Problem& problem) {
  const auto& s = problem.shape;
  const auto kv_heads = problem.mechanism.num_kv_heads;
  if (problem.scope == Scope::layer) {
    const auto weight = [&](Role role, std::int64_t inputs, std::int64_t outputs) {
      return TensorSpec{role, Access::in, {1, 1, inputs, outputs}, s.dtype_q};
    };
    return {{Role::x, Access::in, {s.batch, 1, s.seqlen_q, s.d_model}, s.dtype_q},
            weight(Role::wq, s.d_model, s.num_q_heads * s.head_dim_qk),
            weight(Role::wk, s.d_model, kv_heads * s.head_dim_qk),
            weight(Role::wv, s.d_model, kv_heads * s.head_dim_v),
            weight(Role::wo, s.num_q_heads * s.head_dim_v, s.d_model),
            {Role::o, Access::out, {s.batch, 1, s.seqlen_q, s.d_model}, s.dtype_o}};
  }
  std::vector<TensorSpec> roles = {
      {Role::q, Access::in, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_qk}, s.dtype_q, s.layout},
      {Role::k, Access::in, {s.batch, kv_heads, s.seqlen_kv, s.head_dim_qk}, s.dtype_kv, s.layout},
      {Role::v, Access::in, {s.batch, kv_heads, s.seqlen_kv, s.head_dim_v}, s.dtype_kv, s.layout},
      {Role::o, Access::out, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_v}, s.dtype_o, s.layout}};
  if (problem.mechanism.is_softmax()) {
    roles.push_back(
        {Role::lse, Access::out, {s.batch, s.num_q_heads, s.seqlen_q, 1}, DType::f32, Layout::bhsd, true});
  }
  return roles;
}

void fill_nan(const TensorView& view) {
  visit(view.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T nan(std::numeric_limits<float>::quiet_NaN());
    for_each_row(view,
                 [&](auto n, auto h, auto i) { std::fill_n(view.row<T>(n, h, i), view.sizes[3], nan); });
  });
}

void copy_elements(const TensorView& from, const TensorView& to) {
  const auto bytes = static_cast<std::size_t>(from.sizes[3] * size_bytes(from.dtype));
  for_each_row(from, [&](auto n, auto h, auto i) {
    std::memcpy(to.row_bytes(n, h, i), from.row_bytes(n, h, i), bytes);
  });
}

void check_tensors(const Problem& problem, const Tensors& tensors) {
  const auto roles = roles_of(problem);
  if (problem.scope == Scope::core) {
    const auto keys = tensors[Role::k].sizes[2];
    if (keys < 1 || keys > problem.shape.seqlen_kv) {
      throw InputError("k", fmt::format("{} keys", keys),
                       fmt::format("is outside 1..{}", problem.shape.seqlen_kv));
    }
  }
  for (const auto& spec : roles) {
    const auto& view = tensors[spec.role];
    if (spec.optional && !view) continue;
    check_role(name(spec.role), view, spec.dtype, sizes_of_call(spec, tensors));
    if (spec.access == Access::out) check_no_self_overlap(name(spec.role), view);
  }
  for (const auto& output : roles) {
    if (output.access != Access::out || !tensors[output.role]) continue;
    for (const auto& other : roles) {
      if (other.role == output.role) break;  // every pair once, an output against what is listed before it
      if (!tensors[other.role]) continue;
      check_no_overlap(name(output.role), tensors[output.role], name(other.role), tensors[other.role]);
    }
  }
}

}  // namespace attnbench
