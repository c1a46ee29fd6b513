#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/random.h"

namespace attnbench::reference {

/// Random numbers that depend on nothing but the key: any row of any tensor can be drawn alone. Integer
/// arithmetic throughout, so the values are the same on every machine (std:: distributions are not).
class RandomStream {
 public:
  explicit RandomStream(std::initializer_list<std::uint64_t> key) {
    for (const auto part : key) state_ = mix_bits(state_ + kGoldenGamma + part);
  }

  std::uint64_t bits() { return mix_bits(state_ += kGoldenGamma); }

  /// In [0, count); count must be far below 2^64 for the values to be even.
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(count));
  }

  float sign() { return (bits() & 1u) != 0 ? 1.0f : -1.0f; }

  /// N(0, 1) as the sum of twelve uniforms less its mean (Irwin-Hall): variance 1, excess kurtosis -0.1, no
  /// value beyond 6. Steps of 2^-16.
  float normal() {
    std::uint32_t sum = 0;
    for (int word = 0; word < 3; ++word) {
      const auto b = bits();
      sum +=
          static_cast<std::uint32_t>((b & 0xffffu) + (b >> 16 & 0xffffu) + (b >> 32 & 0xffffu) + (b >> 48));
    }
    constexpr std::int32_t kMean = 6 * 0xffff;
    return static_cast<float>(static_cast<std::int32_t>(sum) - kMean) * 0x1p-16f;
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace attnbench::reference
