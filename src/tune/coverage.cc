#include "tune/coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace attnbench {
namespace {

std::int64_t group_of(const Problem& problem) {
  return problem.shape.num_q_heads / std::max<std::int64_t>(problem.mechanism.num_kv_heads, 1);
}

/// "16 query heads (1 to 8 were)", where a value lies outside of what was timed.
std::string outside(const std::set<std::int64_t>& timed, std::int64_t value, const std::string& words) {
  const auto least = *timed.begin(), most = *timed.rbegin();
  if (value >= least && value <= most) return {};
  const auto range = least == most ? fmt::format("{}", most) : fmt::format("{} to {}", least, most);
  return fmt::format("tuning did not cover {} (only {})", words, range);
}

}  // namespace

TunedCoverage::Kind TunedCoverage::kind_in(const Problem& problem) {
  const auto kind = kind_of(problem);
  auto mechanism = problem.mechanism;
  mechanism.kind = kind.mechanism;
  mechanism.num_kv_heads = 0;
  mechanism.eps = Mechanism().eps;
  return {kind, to_string(mechanism)};
}

TunedCoverage::Point TunedCoverage::point_of(const Problem& problem) {
  const auto& s = problem.shape;
  std::vector<std::int64_t> sizes = {s.batch,     s.num_q_heads, problem.mechanism.num_kv_heads,
                                     s.seqlen_q,  s.seqlen_kv,   s.head_dim_qk,
                                     s.head_dim_v};
  sizes.insert(sizes.end(), s.seqlens_kv.begin(), s.seqlens_kv.end());
  return {kind_in(problem), sizes};
}

TunedCoverage::TunedCoverage(const CostProfile& profile) {
  for (const auto& cost : profile.costs) {
    auto& ranges = ranges_[kind_in(cost.problem)];
    ranges.threads.insert(cost.threads);
    ranges.head_dims.insert({cost.problem.shape.head_dim_qk, cost.problem.shape.head_dim_v});
    ranges.groups.insert(group_of(cost.problem));
    timed_.insert(point_of(cost.problem));
    threads_.insert(cost.threads);
  }
}

bool TunedCoverage::was_timed(const Problem& problem) const { return timed_.contains(point_of(problem)); }

std::string TunedCoverage::not_covered(const Problem& problem, int threads) const {
  const auto kind = kind_in(problem);
  const auto found = ranges_.find(kind);
  if (found == ranges_.end())
    return fmt::format("tuning did not cover {}: {}", std::get<std::string>(kind),
                       in_words(std::get<ProblemKind>(kind)));
  const auto& ranges = found->second;
  const auto& s = problem.shape;
  for (const auto& words :
       {outside(ranges.threads, threads, fmt::format("{} thread{}", threads, threads == 1 ? "" : "s")),
        outside(ranges.head_dims, s.head_dim_qk, fmt::format("a head dimension of {}", s.head_dim_qk)),
        outside(ranges.head_dims, s.head_dim_v, fmt::format("a head dimension of {}", s.head_dim_v)),
        outside(ranges.groups, group_of(problem),
                fmt::format("{} query heads for a head of K and V", group_of(problem)))}) {
    if (!words.empty()) return words;
  }
  return {};
}

std::string TunedCoverage::not_covered(const Mechanism& mechanism, DType dtype) const {
  Problem problem;
  problem.mechanism = mechanism;
  problem.shape.dtype_q = problem.shape.dtype_kv = problem.shape.dtype_o = dtype;
  const auto kind = kind_in(problem);
  if (ranges_.contains(kind)) return {};
  return fmt::format("tuning did not cover {}: {}", std::get<std::string>(kind),
                     in_words(std::get<ProblemKind>(kind)));
}

}  // namespace attnbench
