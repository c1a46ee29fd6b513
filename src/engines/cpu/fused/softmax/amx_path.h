#pragma once

// The path amx over real or emulated tiles.
#include "engines/cpu/fused/softmax/amx_decode.h"
#include "engines/cpu/fused/softmax/amx_pack.h"
#include "engines/cpu/fused/softmax/amx_tile.h"
#include "engines/cpu/fused/softmax/avx512_rows.h"

namespace attnbench::cpu::fused {
namespace {

/// Pairs multiplied as two f32: on a Xeon with AMX the ceiling of vdpbf16ps is below that of f32 multiply-add
/// (bench_kernels prints both), and decode was slower with it.
template <typename Pairs>
struct Widened : Pairs {
  ATTNBENCH_SIMD_INLINE static __m512 dot(__m512 sum, __m512i a, __m512i b) {
    sum = _mm512_fmadd_ps(first(a), first(b), sum);
    return _mm512_fmadd_ps(second(a), second(b), sum);
  }

 private:
  ATTNBENCH_SIMD_INLINE static __m512 first(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  }
  ATTNBENCH_SIMD_INLINE static __m512 second(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(kUpperHalves)));
  }
};

/// See execution.cc.
inline constexpr int kBlocksAtOnce = 8;
/// Prefetching the next block's rows beside the values was slower in windows and block-sparse; beside the
/// weights it helped windows of many keys only, and slowed block_sparse(32, 1), whose one unit a block leaves
/// it no room.
inline constexpr bool kLooksAhead = false;

/// Rows of a block and of a head with which decode reads K and V in place. Of variants timed in turn (8192
/// keys, 32 heads, 8 kv heads, D = 128, 10 CPUs of a Xeon) four rows were faster by the row kernel, and 64
/// rows with K and V packed once for two blocks.
inline constexpr int kDecodeBlockRows = 5;
inline constexpr int kDecodeRows = kLanes;

template <typename Tiles>
ATTNBENCH_SIMD void enter_tiles() {
  Tiles::configure();
}
template <typename Tiles>
ATTNBENCH_SIMD void leave_tiles() {
  Tiles::release();
}

/// Few rows by the row kernel, global ones among them. As a block of tiles through the units packed for the
/// local blocks, block_sparse(32, 1) took 81 ns a query at N = 8192 where 70 now, and 60 at N = 1024
/// where 62.
template <typename Tiles>
constexpr SoftmaxPath amx_path(std::string_view name, std::string_view (*missing)(const CpuFeatures&)) {
  using Few = Rows<Widened<Bf16>>;
  using FewWithLse = Rows<Widened<Bf16WithLse>>;
  using Whole = AmxTile<Tiles, false>;
  using WithLse = AmxTile<Tiles, true>;
  using Decode = AmxDecode<Tiles, false>;
  using DecodeWithLse = AmxDecode<Tiles, true>;
  return {name,
          DType::bf16,
          missing,
          {Whole::begin, Whole::attend, Whole::finish},
          {Few::begin, Few::attend, Few::finish},
          {WithLse::begin, WithLse::attend, WithLse::finish},
          {FewWithLse::begin, FewWithLse::attend, FewWithLse::finish},
          Few::kMost,
          pack_values,
          kUnitKeys,
          pack_keys,
          kDepth,
          kGroupKeys,
          kBlocksAtOnce,
          enter_tiles<Tiles>,
          leave_tiles<Tiles>,
          kLooksAhead,
          {Decode::begin, Decode::attend, Decode::finish},
          {DecodeWithLse::begin, DecodeWithLse::attend, DecodeWithLse::finish},
          kDecodeBlockRows,
          kDecodeRows};
}

}  // namespace
}  // namespace attnbench::cpu::fused
