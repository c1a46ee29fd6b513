#pragma once

// AmxTiles in plain C++, so that the AMX kernels' packing, masks and rescaling are tested on any CPU with
// AVX-512. Sums and flushes as tdpbf16ps does: even and odd elements of k are summed apart from zero with
// fused multiply-adds, then added together, then to the tile; denormals count as zero and become zero.
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace attnbench::cpu::fused {
namespace {

struct EmulatedTiles {
  static void configure() {
    configured() = true;
    tiles() = {};
  }
  static void release() { configured() = false; }

  template <int Tile>
  static void zero() {
    at<Tile>() = {};
  }
  template <int Tile>
  static void load(const void* from, std::int64_t row_stride_bytes) {
    auto* row = static_cast<const std::byte*>(from);
    for (auto& words : at<Tile>()) {
      std::memcpy(words.data(), row, sizeof words);
      row += row_stride_bytes;
    }
  }
  template <int Tile>
  static void load_once(const void* from, std::int64_t row_stride_bytes) {
    load<Tile>(from, row_stride_bytes);
  }
  template <int Tile>
  static void store(void* to, std::int64_t row_stride_bytes) {
    auto* row = static_cast<std::byte*>(to);
    for (const auto& words : at<Tile>()) {
      std::memcpy(row, words.data(), sizeof words);
      row += row_stride_bytes;
    }
  }
  template <int Sum, int A, int B>
  __attribute__((target("avx2,fma"))) static void dot() {
    const auto& a = at<A>();
    const auto& b = at<B>();
    auto& sum = at<Sum>();
    for (std::size_t m = 0; m < 16; ++m) {
      float even[16] = {};
      float odd[16] = {};
      for (std::size_t k = 0; k < 16; ++k) {
        const float a_even = element(a[m][k] << 16);
        const float a_odd = element(a[m][k] & kUpper);
        for (std::size_t n = 0; n < 16; ++n) {
          even[n] = flushed(__builtin_fmaf(a_even, element(b[k][n] << 16), even[n]));
          odd[n] = flushed(__builtin_fmaf(a_odd, element(b[k][n] & kUpper), odd[n]));
        }
      }
      for (std::size_t n = 0; n < 16; ++n) {
        const float old = element(sum[m][n]);
        sum[m][n] = std::bit_cast<std::uint32_t>(flushed(old + flushed(even[n] + odd[n])));
      }
    }
  }

 private:
  using Words = std::array<std::array<std::uint32_t, 16>, 16>;
  static constexpr std::uint32_t kUpper = 0xffff0000U;

  static std::array<Words, 8>& tiles() {
    static thread_local std::array<Words, 8> all{};
    return all;
  }
  static bool& configured() {
    static thread_local bool done = false;
    return done;
  }
  template <int Tile>
  static Words& at() {
    static_assert(Tile >= 0 && Tile < 8);
    if (!configured()) __builtin_trap();  // as the instruction faults
    return tiles()[Tile];
  }
  static float flushed(float x) { return std::abs(x) < std::numeric_limits<float>::min() ? 0.0F : x; }
  static float element(std::uint32_t bits) { return flushed(std::bit_cast<float>(bits)); }
};

}  // namespace
}  // namespace attnbench::cpu::fused
