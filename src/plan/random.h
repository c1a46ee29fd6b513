#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attnbench {

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"). The same numbers
/// on every machine and standard library, which std:: distributions do not promise.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, bound), bound >= 1; without the bias of a bare remainder.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t incomplete = (~bound + 1) % bound;  // 2^64 mod bound
    std::uint64_t value = next();
    while (value < incomplete) value = next();
    return value % bound;
  }

 private:
  std::uint64_t state_;
};

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
