#pragma once

// S^T = K Q^T of the AVX-512 tile kernel: Q packed as [word][lane], words of K broadcast from memory. First
// and Count name the 16-lane halves.
#include <cstring>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

ATTNBENCH_SIMD_INLINE __m512i broadcast_word(const std::byte* address) {
  int word;  // rows of bf16 with an odd stride are not aligned to it
  std::memcpy(&word, address, sizeof word);
  return _mm512_set1_epi32(word);
}

/// s += K Q^T of one key, such as a global one: four chains of sums, or every step waits for the one before
/// (block_sparse(bs=32,globals=1), bf16, N = 1024, Zen 4: a block takes 2.05 to 2.07 us at best, 2.08 to 2.10
/// with one chain). head_dim_qk is a multiple of 16, so words are a multiple of 8.
template <typename Path, int First, int Count>
ATTNBENCH_SIMD_INLINE void multiply_one(const float* q, const std::byte* k, std::int64_t words,
                                        __m512 (&s)[Count]) {
  __m512 chain[4][Count];
  ATTNBENCH_UNROLL
  for (auto& sums : chain) {
    ATTNBENCH_UNROLL
    for (auto& sum : sums) sum = _mm512_setzero_ps();
  }
  for (std::int64_t word = 0; word < words; word += 4, q += 4 * kLanes, k += 16) {
    ATTNBENCH_UNROLL
    for (int c = 0; c < 4; ++c) {
      const __m512i element = broadcast_word(k + c * 4);
      ATTNBENCH_UNROLL
      for (int h = 0; h < Count; ++h) {
        const __m512i lanes = _mm512_load_si512(q + c * kLanes + (First + h) * kHalfLanes);
        chain[c][h] = Path::dot(chain[c][h], lanes, element);
      }
    }
  }
  ATTNBENCH_UNROLL
  for (int h = 0; h < Count; ++h) {
    const __m512 sum =
        _mm512_add_ps(_mm512_add_ps(chain[0][h], chain[1][h]), _mm512_add_ps(chain[2][h], chain[3][h]));
    s[h] = _mm512_add_ps(s[h], sum);
  }
}

/// s += K Q^T over all words.
template <typename Path, int Keys, int First, int Count>
ATTNBENCH_SIMD_INLINE void multiply(const float* q, const std::byte* k, std::int64_t stride,
                                    std::int64_t words, __m512 (&s)[Keys][Count]) {
  if constexpr (Keys == 1) {
    multiply_one<Path, First, Count>(q, k, words, s[0]);
    return;
  }
  for (std::int64_t word = 0; word < words; ++word) {
    __m512i lanes[Count];
    ATTNBENCH_UNROLL
    for (int h = 0; h < Count; ++h)
      lanes[h] = _mm512_load_si512(q + word * kLanes + (First + h) * kHalfLanes);
    ATTNBENCH_UNROLL
    for (int j = 0; j < Keys; ++j) {
      const __m512i element = broadcast_word(k + j * stride + word * 4);
      ATTNBENCH_UNROLL
      for (int h = 0; h < Count; ++h) s[j][h] = Path::dot(s[j][h], lanes[h], element);
    }
  }
}

/// multiply() by runs of up to Path::kRunWords words, each summed on its own: a sum of n equal terms in one
/// chain has the rounding error of its last and largest steps. All keys at a time, 16 chains of a whole
/// group, where two FMA units of four cycles need 8 and lose whatever comes between; the totals are in
/// memory.
template <typename Path, int Keys, int First, int Count>
ATTNBENCH_SIMD_INLINE void multiply_by_runs(const float* q, const std::byte* k, std::int64_t stride,
                                            std::int64_t words, __m512 (&s)[Keys][Count]) {
  std::int64_t word = words % Path::kRunWords == 0 ? Path::kRunWords : words % Path::kRunWords;
  multiply<Path, Keys, First, Count>(q, k, stride, word, s);
  if (word == words) [[likely]]
    return;
  alignas(64) float totals[Keys][Count][kHalfLanes];
  while (true) {
    ATTNBENCH_UNROLL
    for (int j = 0; j < Keys; ++j) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < Count; ++h) {
        _mm512_store_ps(totals[j][h], s[j][h]);
        s[j][h] = _mm512_setzero_ps();
      }
    }
    multiply<Path, Keys, First, Count>(q + word * kLanes, k + word * 4, stride, Path::kRunWords, s);
    ATTNBENCH_UNROLL
    for (int j = 0; j < Keys; ++j) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < Count; ++h) s[j][h] = _mm512_add_ps(s[j][h], _mm512_load_ps(totals[j][h]));
    }
    word += Path::kRunWords;
    if (word == words) return;
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
