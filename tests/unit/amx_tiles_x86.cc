// The emulation of AMX tiles against hand calculation and, where the CPU has them, against the instructions.
#define ATTNBENCH_TARGET "avx512f,amx-tile,amx-bf16"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <memory>
#include <random>

#include "attnbench/cpu_device.h"
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/tiles.h"
#include "engines/cpu/fused/tiles_emulated.h"

namespace attnbench::cpu::fused {
namespace {

std::uint32_t bf16_pair(float first, float second) {
  return std::bit_cast<std::uint32_t>(first) >> 16 | (std::bit_cast<std::uint32_t>(second) & 0xffff0000U);
}

struct alignas(64) TileData {
  std::uint32_t word[16][16] = {};
};

/// sum += A B on one kind of tiles.
template <typename Tiles>
__attribute__((target(ATTNBENCH_TARGET))) void multiply(TileData& sum, const TileData& a, const TileData& b) {
  Tiles::configure();
  Tiles::template load<0>(&sum, 64);
  Tiles::template load<1>(&a, 64);
  Tiles::template load<2>(&b, 64);
  Tiles::template dot<0, 1, 2>();
  Tiles::template store<0>(&sum, 64);
  Tiles::release();
}

float result(const TileData& sum, int m, int n) { return std::bit_cast<float>(sum.word[m][n]); }

TEST(EmulatedTiles, MultipliesRowsByPairsOfRows) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU lacks avx512, with which this file is compiled";
  TileData sum, a, b;
  sum.word[2][3] = std::bit_cast<std::uint32_t>(0.5F);
  a.word[2][7] = bf16_pair(3, -2);
  a.word[2][8] = bf16_pair(1, 0);
  b.word[7][3] = bf16_pair(4, 5);
  b.word[8][3] = bf16_pair(10, 100);
  multiply<EmulatedTiles>(sum, a, b);
  EXPECT_EQ(result(sum, 2, 3), 0.5F + 12 - 10 + 10);
  EXPECT_EQ(result(sum, 2, 4), 0);
  EXPECT_EQ(result(sum, 3, 3), 0);
}

TEST(EmulatedTiles, SumsEvenAndOddElementsApart) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU lacks avx512, with which this file is compiled";
  // In one chain 2^24 + 1 would lose the 1.
  TileData sum, a, b;
  a.word[0][0] = bf16_pair(16777216.0F, 1);
  a.word[0][1] = bf16_pair(-16777216.0F, 1);
  b.word[0][0] = b.word[1][0] = bf16_pair(1, 1);
  multiply<EmulatedTiles>(sum, a, b);
  EXPECT_EQ(result(sum, 0, 0), 2);
}

TEST(EmulatedTiles, FlushesDenormals) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU lacks avx512, with which this file is compiled";
  TileData sum, a, b;
  sum.word[1][0] = 1;                   // a denormal sum
  a.word[0][0] = bf16_pair(1e-30F, 0);  // a denormal product
  b.word[0][0] = bf16_pair(1e-10F, 0);
  a.word[2][1] = 0x0001;  // a denormal factor
  b.word[1][0] = bf16_pair(1e30F, 0);
  multiply<EmulatedTiles>(sum, a, b);
  for (int m = 0; m < 3; ++m) EXPECT_EQ(sum.word[m][0], 0) << m;
}

TEST(AmxTiles, EqualTheirEmulationInEveryBit) {
  if (!cpu_features().amx_bf16) GTEST_SKIP() << "this CPU lacks amx_bf16";
  std::mt19937 random(5);
  std::uniform_int_distribution<std::uint32_t> bits;
  for (int round = 0; round < 200; ++round) {
    // Exponents near 1 in even rounds; in odd ones down to where products and sums are denormal.
    const std::uint32_t exponents = round % 2 == 0 ? 0x3e003e00U : round % 4 == 1 ? 0x20002000U : 0x1f001f00U;
    TileData sum, a, b;
    for (auto* tile : {&a, &b}) {
      for (auto& row : tile->word) {
        for (auto& word : row) word = (bits(random) & 0x81ff81ffU) + exponents;
      }
    }
    auto emulated = sum;
    for (int n = 0; n < 3; ++n) {
      multiply<AmxTiles>(sum, a, b);
      multiply<EmulatedTiles>(emulated, a, b);
    }
    ASSERT_EQ(std::memcmp(&sum, &emulated, sizeof sum), 0) << round;
  }
}

/// Stores just before and just after a tile load, at -O3: the trap that tiles.h speaks of.
#if defined(__clang__)
#define ATTNBENCH_O3
#else
#define ATTNBENCH_O3 optimize("O3"),
#endif
template <typename Tiles>
__attribute__((ATTNBENCH_O3 target(ATTNBENCH_TARGET), noinline)) void copy_by_tiles(const std::uint32_t* from,
                                                                                    std::uint32_t* to,
                                                                                    int tiles) {
  Tiles::configure();
  alignas(64) std::uint32_t buffer[256];
  for (int t = 0; t < tiles; ++t, from += 256, to += 256) {
    for (int i = 0; i < 256; ++i) buffer[i] = from[i] + 1;
    Tiles::template load<0>(buffer, 64);
    for (int i = 0; i < 256; ++i) buffer[i] = 0;
    Tiles::template store<0>(buffer, 64);
    for (int i = 0; i < 256; ++i) to[i] = buffer[i];
  }
  Tiles::release();
}

template <typename Tiles>
void expect_ordered() {
  constexpr int kTiles = 40;
  const auto from = std::make_unique<std::uint32_t[]>(kTiles * 256);
  const auto to = std::make_unique<std::uint32_t[]>(kTiles * 256);
  for (std::uint32_t i = 0; i < kTiles * 256; ++i) from[i] = i;
  copy_by_tiles<Tiles>(from.get(), to.get(), kTiles);
  for (std::uint32_t i = 0; i < kTiles * 256; ++i) ASSERT_EQ(to[i], i + 1);
}

TEST(EmulatedTiles, LoadAndStoreInProgramOrder) {
  if (!cpu_features().avx512) GTEST_SKIP() << "this CPU lacks avx512, with which this file is compiled";
  expect_ordered<EmulatedTiles>();
}

TEST(AmxTiles, LoadAndStoreInProgramOrder) {
  if (!cpu_features().amx_bf16) GTEST_SKIP() << "this CPU lacks amx_bf16";
  expect_ordered<AmxTiles>();
}

}  // namespace
}  // namespace attnbench::cpu::fused
