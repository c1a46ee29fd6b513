#pragma once

#include <cstdint>

namespace attnbench {

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): a
/// bijection in which every input bit reaches every output bit.
inline std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// What SplitMix64 adds before each number: 2^64 divided by the golden ratio.
inline constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15u;

/// SplitMix64. The same numbers on every machine and standard library, which std:: distributions do not
/// promise.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { return mix_bits(state_ += kGoldenGamma); }

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

}  // namespace attnbench
