#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.h"

namespace attnbench {

/// 0 .. count-1 in a random order.
inline std::vector<int> random_permutation(int count, SplitMix64& random) {
  std::vector<int> order(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const auto other = random.below(static_cast<std::uint64_t>(i) + 1);
    order[static_cast<std::size_t>(i)] = i;
    std::swap(order[static_cast<std::size_t>(i)], order[other]);
  }
  return order;
}

/// A seed of its own for each cell, so that cells of equal size do not share their orders.
inline std::uint64_t cell_seed(std::uint64_t study_seed, std::string_view cell_id) {
  SplitMix64 random(study_seed);
  std::uint64_t mixed = random.next();
  for (const char c : cell_id) mixed = SplitMix64(mixed ^ static_cast<unsigned char>(c)).next();
  return mixed;
}

}  // namespace attnbench
