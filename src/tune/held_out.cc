#include "tune/held_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "attnbench/error.h"

namespace attnbench {

std::string in_words(const HeldOutProblem& shape) {
  const auto& s = shape.problem.shape;
  const auto& mechanism = shape.problem.mechanism;
  return fmt::format("{} in {}, batch {}, {}/{} heads of {}, {} x {}, {} thread{}", to_string(mechanism),
                     name(s.dtype_q), s.batch, s.num_q_heads, mechanism.num_kv_heads, s.head_dim_qk,
                     s.seqlen_q, s.seqlen_kv, shape.threads, shape.threads == 1 ? "" : "s");
}

HeldOutDraw::HeldOutDraw(std::vector<Mechanism> mechanisms, std::vector<DType> dtypes,
                         std::vector<int> threads, std::uint64_t seed)
    : mechanisms_(std::move(mechanisms)),
      dtypes_(std::move(dtypes)),
      threads_(std::move(threads)),
      grid_(tune_grid(mechanisms_, dtypes_)),
      random_(seed) {}

std::int64_t HeldOutDraw::size(std::int64_t low, std::int64_t high) {
  const double share = static_cast<double>(random_.next() >> 11) * 0x1p-53;
  const auto from = static_cast<double>(low), to = static_cast<double>(high);
  return std::clamp(static_cast<std::int64_t>(std::llround(from * std::pow(to / from, share))), low, high);
}

HeldOutProblem HeldOutDraw::next() {
  static const std::vector<std::int64_t> kGroups = {1, 4, 8}, kHeadDims = {64, 128};
  for (;;) {
    HeldOutProblem drawn;
    auto& problem = drawn.problem;
    auto& s = problem.shape;
    const auto& mechanism = one_of(mechanisms_);
    const auto group = mechanism.kind == MechanismKind::mha ? one_of(kGroups) : 1;
    const auto kv_heads = size(1, 32 / group);
    s.num_q_heads = group * kv_heads;
    s.batch = size(1, 16);
    if (mechanism.is_softmax() && random_.below(2) == 0) {
      s.seqlen_q = size(1, 16);
      s.seqlen_kv = size(128, 65536);
    } else {
      s.seqlen_q = s.seqlen_kv = size(1, 16384);
    }
    s.head_dim_qk = s.head_dim_v = one_of(kHeadDims);
    s.dtype_q = s.dtype_kv = s.dtype_o = one_of(dtypes_);
    s.softmax_scale = 1 / std::sqrt(static_cast<double>(s.head_dim_qk));
    problem.mechanism = mechanism;
    if (group > 1) problem.mechanism.kind = MechanismKind::gqa;
    if (group > 1) problem.mechanism.num_kv_heads = kv_heads;
    problem.mechanism = bind_kv_heads(problem.mechanism, s.num_q_heads, kv_heads);
    problem.phase = s.seqlen_q == s.seqlen_kv ? Phase::prefill : Phase::decode;
    try {
      validate(problem);
    } catch (const InputError&) {
      continue;
    }
    const auto same = [&](const GridProblem& point) { return point.problem == problem; };
    if (std::any_of(grid_.begin(), grid_.end(), same)) continue;
    drawn.threads = threads_[drawn_++ % threads_.size()];
    return drawn;
  }
}

std::vector<int> held_out_threads(const std::set<int>& tuned) {
  if (tuned.empty()) return {};
  const int fewest = *tuned.begin(), most = *tuned.rbegin();
  auto chosen = tuned;
  for (const double share : {1.0 / 3, 2.0 / 3})
    chosen.insert(static_cast<int>(std::lround(fewest + share * (most - fewest))));
  return {chosen.begin(), chosen.end()};
}

}  // namespace attnbench
