#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "attnbench/problem.h"
#include "dispatch/profile.h"

namespace attnbench {

/// For which problems a profile has times.
class TunedCoverage {
 public:
  explicit TunedCoverage(const CostProfile& profile);

  /// Whether it was timed, on any number of threads: such a problem is not held out. Two names of the same
  /// heads (mha, gqa, mqa), another scale or another epsilon make no other problem.
  bool was_timed(const Problem& problem) const;
  /// What of it tuning did not cover: mechanism with window and block size, causality, element types, layout
  /// and scope, each as they are; threads, head dimension, and query heads for a head of K and V from the
  /// least to the most that was timed of them. Empty: nothing.
  std::string not_covered(const Problem& problem, int threads) const;
  /// The same of a mechanism and an element type alone.
  std::string not_covered(const Mechanism& mechanism, DType dtype) const;
  /// Numbers of threads that were timed.
  const std::set<int>& threads() const { return threads_; }

 private:
  using Kind = std::tuple<ProblemKind, std::string>;  ///< the mechanism without heads and epsilon
  static Kind kind_in(const Problem& problem);
  using Point = std::tuple<Kind, std::vector<std::int64_t>>;
  static Point point_of(const Problem& problem);
  struct Ranges {
    std::set<std::int64_t> threads, head_dims, groups;
  };

  std::map<Kind, Ranges> ranges_;
  std::set<Point> timed_;
  std::set<int> threads_;
};

}  // namespace attnbench
