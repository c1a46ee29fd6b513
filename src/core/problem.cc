#include "attnbench/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "core/allowed_pairs.h"
#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<Scope, 2> kScopes{{{Scope::core, "core"}, {Scope::layer, "layer"}}};
constexpr NameTable<Phase, 2> kPhases{{{Phase::prefill, "prefill"}, {Phase::decode, "decode"}}};
constexpr NameTable<Layout, 2> kLayouts{{{Layout::bhsd, "bhsd"}, {Layout::bshd, "bshd"}}};

[[noreturn]] void reject(std::string_view field, double value, std::string_view problem) {
  throw InputError(field, fmt::format("{:g}", value), problem);
}

void require_positive(std::string_view field, std::int64_t value) {
  if (value < 1) throw InputError(field, std::to_string(value), "is not a positive size");
}

void require_below(double limit, std::string_view field, std::initializer_list<std::int64_t> sizes,
                   std::string_view problem) {
  double product = 8;  // bytes of the widest element
  for (const auto size : sizes) product *= static_cast<double>(size);
  if (product >= limit) throw InputError(field, fmt::format("{}", fmt::join(sizes, " x ")), problem);
}

/// Byte counts stay below 2^62.
void require_countable(std::string_view field, std::initializer_list<std::int64_t> sizes) {
  require_below(0x1p62, field, sizes, "overflows 64-bit sizes");
}

/// Of every tensor below 2^50, so that sums over the tensors of all mechanisms of a cell stay countable.
void require_addressable(std::string_view field, std::initializer_list<std::int64_t> sizes) {
  require_countable(field, sizes);
  require_below(0x1p50, field, sizes, "is a tensor of more than 2^50 bytes, which no machine holds");
}

/// Kernels work with the scale, and with its product with log2(e), in f32.
void require_scale(double scale) {
  if (!std::isfinite(scale)) reject("softmax_scale", scale, "is not a finite number");
  if (scale == 0) return;
  const auto size = std::abs(scale);
  if (size < double{std::numeric_limits<float>::min()} ||
      size * std::numbers::log2e > double{std::numeric_limits<float>::max()}) {
    reject("softmax_scale", scale,
           "is neither 0 nor between 1.2e-38 and 2.3e+38 in size, as f32 kernels need");
  }
}

}  // namespace

std::string_view name(Scope scope) { return name_in(kScopes, scope); }
std::string_view name(Phase phase) { return name_in(kPhases, phase); }
std::string_view name(Layout layout) { return name_in(kLayouts, layout); }
Scope parse_scope(std::string_view text) { return parse_in(kScopes, "scope", text); }
Phase parse_phase(std::string_view text) { return parse_in(kPhases, "phase", text); }
Layout parse_layout(std::string_view text) { return parse_in(kLayouts, "layout", text); }

void validate(const Problem& problem) {
  const auto& s = problem.shape;
  const auto& m = problem.mechanism;
  require_positive("batch", s.batch);
  require_positive("num_q_heads", s.num_q_heads);
  require_positive("num_kv_heads", m.num_kv_heads);
  require_positive("seqlen_q", s.seqlen_q);
  require_positive("seqlen_kv", s.seqlen_kv);
  require_positive("head_dim_qk", s.head_dim_qk);
  require_positive("head_dim_v", s.head_dim_v);
  require_addressable("batch x num_q_heads x seqlen_q x head_dim",
                      {s.batch, s.num_q_heads, s.seqlen_q, std::max(s.head_dim_qk, s.head_dim_v)});
  require_addressable("batch x num_kv_heads x seqlen_kv x head_dim",
                      {s.batch, m.num_kv_heads, s.seqlen_kv, std::max(s.head_dim_qk, s.head_dim_v)});
  if (m.is_softmax()) {
    require_countable("batch x num_q_heads x seqlen_q x seqlen_kv",
                      {s.batch, s.num_q_heads, s.seqlen_q, s.seqlen_kv});
  }
  if (s.num_q_heads % m.num_kv_heads != 0) {
    throw InputError("num_kv_heads", std::to_string(m.num_kv_heads),
                     fmt::format("does not divide num_q_heads = {}", s.num_q_heads));
  }
  if (m.kind == MechanismKind::mha && m.num_kv_heads != s.num_q_heads) {
    throw InputError("num_kv_heads", std::to_string(m.num_kv_heads),
                     fmt::format("differs from num_q_heads = {}: that is gqa, not mha", s.num_q_heads));
  }
  if (m.kind == MechanismKind::mqa && m.num_kv_heads != 1) {
    throw InputError("num_kv_heads", std::to_string(m.num_kv_heads), "is not 1: that is gqa, not mqa");
  }
  if (m.kind == MechanismKind::swa) require_positive("window", m.window);
  if (m.kind == MechanismKind::block_sparse) {
    require_positive("block_size", m.block_size);
    if (m.globals < 0) throw InputError("globals", std::to_string(m.globals), "is negative");
  }
  if (m.is_softmax()) {
    require_scale(s.softmax_scale);
  } else if (!(m.eps > 0) || !std::isfinite(m.eps)) {
    reject("eps", m.eps, "is not a positive number");
  }
  if (!s.seqlens_kv.empty()) {
    if (static_cast<std::int64_t>(s.seqlens_kv.size()) != s.batch) {
      throw InputError("seqlens_kv", fmt::format("{} lengths", s.seqlens_kv.size()),
                       fmt::format("does not match batch = {}", s.batch));
    }
    for (const auto length : s.seqlens_kv) {
      if (length < 0 || length > s.seqlen_kv) {
        throw InputError("seqlens_kv", std::to_string(length), fmt::format("is outside 0..{}", s.seqlen_kv));
      }
    }
  }
  if (problem.scope == Scope::layer) {
    require_positive("d_model", s.d_model);
    require_addressable("d_model x num_q_heads x head_dim",
                        {s.d_model, s.num_q_heads, std::max(s.head_dim_qk, s.head_dim_v)});
    require_addressable("batch x seqlen x d_model", {s.batch, s.seqlen_q, s.d_model});
    if (s.seqlen_q != s.seqlen_kv) {
      throw InputError("seqlen_kv", std::to_string(s.seqlen_kv),
                       fmt::format("differs from seqlen_q = {}: layer scope projects one X", s.seqlen_q));
    }
  } else if (s.d_model != 0) {
    throw InputError("d_model", std::to_string(s.d_model), "is set in core scope, which has no projections");
  }
}

Work work(const Problem& problem) {
  const auto& s = problem.shape;
  const auto& m = problem.mechanism;
  const auto heads = static_cast<double>(s.num_q_heads);
  const auto kv_heads = static_cast<double>(m.num_kv_heads);
  const auto batch = static_cast<double>(s.batch);
  const auto dqk = static_cast<double>(s.head_dim_qk);
  const auto dv = static_cast<double>(s.head_dim_v);
  const auto nq = static_cast<double>(s.seqlen_q);

  Work result;
  // Over the batch; rows are those of X that a query or a key comes from (layer scope).
  double keys = 0, seen = 0, seeing = 0, rows = 0;
  const auto add = [&](std::int64_t used, double sequences) {
    keys += sequences * static_cast<double>(used);
    seen += sequences * static_cast<double>(seen_keys(m, s.seqlen_q, used));
    seeing += sequences * static_cast<double>(seeing_queries(s.seqlen_q, used));
    rows += sequences * std::min(nq, 2 * static_cast<double>(used));
    if (m.is_softmax())
      result.useful_flops += sequences * 2 * (dqk + dv) * heads * allowed_pairs(m, s.seqlen_q, used);
  };
  if (s.seqlens_kv.empty()) add(s.seqlen_kv, batch);
  for (const auto used : s.seqlens_kv) add(used, 1);
  if (!m.is_softmax()) {
    // phi(K)^T V over the keys, phi(Q) S over the queries: 2 Dqk Dv each; equal lengths give 4 a token.
    result.useful_flops = 2 * dqk * dv * heads * (keys + batch * nq);
  }
  const auto q_bytes = static_cast<double>(size_bytes(s.dtype_q));
  const auto kv_bytes = static_cast<double>(size_bytes(s.dtype_kv));
  const auto o_bytes = static_cast<double>(size_bytes(s.dtype_o));
  if (problem.scope == Scope::core) {
    result.compulsory_bytes = heads * (seeing * dqk * q_bytes + batch * nq * dv * o_bytes) +
                              kv_heads * seen * (dqk + dv) * kv_bytes;
  } else {
    const auto d_model = static_cast<double>(s.d_model);
    const double weights = d_model * (heads * (dqk + dv) + kv_heads * (dqk + dv));
    result.useful_flops += 2 * batch * nq * weights;
    result.compulsory_bytes = d_model * (rows * q_bytes + batch * nq * o_bytes) + weights * q_bytes;
  }
  return result;
}

}  // namespace attnbench
