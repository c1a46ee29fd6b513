#pragma once

// The tile kernel of path amx: S^T = K Q^T with queries as columns of tiles. K comes in place as the left
// operand, Q packed once as the right one; weights leave the softmax in the pairs that the right operand of
// O^T += V^T P^T wants, V is transposed once a kv head. A turn issues the tile operations of one unit's
// scores and of earlier units' values step by step between the weights of another.
//
// Why so little is won by that: where tile operations are in flight, 512-bit arithmetic runs at one operation
// a cycle, not two (96 FMAs beside 4 products: 96 cycles, alone 48), so that 7 operations a weight take as
// long beside the tiles as after them. What was gained came from L1. One head, N = 1024, D = 64, one core of
// a Xeon with AMX: chunks of 64 keys 502 us; units of 32 470; output loaded and stored once in four units
// 457; less bookkeeping a unit 425; K and V not kept in L1 (tiles.h) 376. Prefetching K and V into L1 by
// instructions lost (500 where 457); groups of two units 380 where four 374; all tile operations of a turn
// first, then the weights, 488 where 457.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_chunk.h"
#include "engines/cpu/fused/softmax/amx_stream.h"
#include "engines/cpu/fused/softmax/amx_weights.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/avx512_tile.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

template <typename Tiles, bool WithLse>
class AmxTile {
 public:
  ATTNBENCH_SIMD static void begin(Block& block) {
    Tile<Bf16>::begin(block);
    auto& pipeline = pipeline_of(block);
    pipeline.filled = pipeline.scored = pipeline.weighed = pipeline.multiplied = 0;
    pipeline.column = 0;
    pipeline.started = 0;
    pipeline.has_maximum = false;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    auto& pipeline = pipeline_of(block);
    for (const auto& span : spans) {
      const std::byte* v = span.v;
      for (auto key = span.first_key; key < span.first_key + span.keys; v += span.v_stride_bytes) {
        const auto unit_begin = key / kUnitKeys * kUnitKeys;
        const auto end = std::min(unit_begin + kUnitKeys, span.first_key + span.keys);
        const bool continues = pipeline.filled > pipeline.scored && pipeline.unit(pipeline.scored).v == v;
        if (!continues) {
          if (pipeline.filled > pipeline.scored) turn(block, pipeline);
          pipeline.unit(pipeline.filled++).begin_at(span, v, unit_begin);
        }
        pipeline.unit(pipeline.scored)
            .add(key - unit_begin, end - unit_begin, span.halves,
                 key < span.full_begin || end > span.full_end);
        key = end;
      }
    }
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) {
    auto& pipeline = pipeline_of(block);
    while (pipeline.weighed < pipeline.filled) turn(block, pipeline);
    while (pipeline.multiplied < pipeline.filled) multiply_rest(block, pipeline);
    if constexpr (!WithLse) {
      for (int half = 0; half < 2; ++half) {
        if (!pipeline.has_output(half)) continue;
        _mm512_store_ps(block.sum + half * kHalfLanes, _mm512_load_ps(sums_of(block) + half * kHalfLanes));
      }
    }
    if (block.partial != nullptr) return Tile<Bf16>::finish(block);
    for (int half = 0; half * kHalfLanes < block.rows; ++half) write_rows(block, half * kHalfLanes);
    for (int r = 0; r < block.rows; ++r) {
      if (block.lse[r] != nullptr) *block.lse[r] = natural_lse(block.maximum[r], block.sum[r]);
    }
  }

 private:
  /// Output of 16 lanes from `lane` on, rounded to pairs of columns before the transposition: half its work.
  ATTNBENCH_SIMD_INLINE static void write_rows(const Block& block, int lane) {
    const __m512 factor = _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_load_ps(block.sum + lane));
    for (std::int64_t d = 0; d < block.head_dim_v; d += 32) {
      const bool half = block.head_dim_v - d < 32;
      __m512i pairs[16];
      ATTNBENCH_UNROLL
      for (int c = 0; c < 16; ++c) {
        pairs[c] = _mm512_setzero_si512();
        if (half && c >= 8) continue;
        const float* column = block.output + (d + 2 * c) * kLanes + lane;
        pairs[c] = Bf16::pair(_mm512_mul_ps(factor, _mm512_load_ps(column)),
                              _mm512_mul_ps(factor, _mm512_load_ps(column + kLanes)));
      }
      transpose_16x16(pairs);
      const auto mask = static_cast<__mmask16>(half ? 0xff : 0xffff);
      ATTNBENCH_UNROLL
      for (int r = 0; r < 16; ++r) {
        if (lane + r < block.rows) _mm512_mask_storeu_epi32(block.o[lane + r] + d * 2, mask, pairs[r]);
      }
    }
  }

  /// Columns of V, and those that make sums.
  static int columns(const Block& block) {
    return static_cast<int>(block.head_dim_v) + (WithLse ? 0 : kTileRows);
  }
  static int columns_a_turn(const Block& block) {
    constexpr int kPair = 2 * kTileRows;
    return (columns(block) + kGroupUnits * kPair - 1) / (kGroupUnits * kPair) * kPair;
  }

  ATTNBENCH_SIMD static void turn(Block& block, Pipeline& pipeline) {
    const bool scores = pipeline.filled > pipeline.scored;
    const bool weighs = pipeline.scored > pipeline.weighed;
    const bool multiplies = pipeline.weighed >= pipeline.multiplied + kGroupUnits;
    const Unit* unit = &pipeline.unit(pipeline.weighed);
    auto* s = scores_of(block, pipeline.weighed);
    if (weighs && !pipeline.has_maximum) {
      raise(block, pipeline, *unit, s);
      pipeline.has_maximum = true;
    }
    const int first = pipeline.multiplied;
    const int begin = pipeline.column;
    const int end = multiplies ? std::min(begin + columns_a_turn(block), columns(block)) : begin;
    TileStream<Tiles> stream(block, pipeline, scores ? &pipeline.unit(pipeline.scored) : nullptr, first,
                             multiplies ? first + kGroupUnits : first, begin, end);
    const int tile_steps = stream.steps();
    int left = tile_steps;
    bool too_large = false;
    if (weighs) {
      Weights<WithLse> sum(block, s, weights_of(block, pipeline.weighed));
      int due = 0;
      for (int step = 0; step < kUnitSteps; ++step) {
        for (due += tile_steps; due >= kUnitSteps; due -= kUnitSteps, --left) stream.step();
        sum.add(*unit, step);
      }
      too_large = sum.too_large();
      if (!too_large) [[likely]]
        sum.keep_sums(block);
    }
    for (; left > 0; --left) stream.step();
    stream.flush();
    if (scores) ++pipeline.scored;
    if (multiplies) keep_column(block, pipeline, end, kGroupUnits);
    if (too_large) [[unlikely]] {
      raise(block, pipeline, *unit, s);
      weigh(block, *unit, s, weights_of(block, pipeline.weighed));
    }
    if (weighs) ++pipeline.weighed;
  }

  /// What is left of a group, or all of an incomplete one.
  ATTNBENCH_SIMD static void multiply_rest(Block& block, Pipeline& pipeline) {
    const int units = std::min(pipeline.weighed - pipeline.multiplied, kGroupUnits);
    TileStream<Tiles> stream(block, pipeline, nullptr, pipeline.multiplied, pipeline.multiplied + units,
                             pipeline.column, columns(block));
    for (int left = stream.steps(); left > 0; --left) stream.step();
    stream.flush();
    keep_column(block, pipeline, columns(block), units);
  }

  static void keep_column(const Block& block, Pipeline& pipeline, int column, int units) {
    pipeline.column = column;
    if (column < columns(block)) return;
    pipeline.column = 0;
    int tiles = 0;
    for (int u = 0; u < units; ++u) tiles |= pipeline.unit(pipeline.multiplied + u).tiles;
    pipeline.started |= tiles;
    pipeline.multiplied += units;
  }

  /// Weights of a unit whose maximum is known.
  ATTNBENCH_SIMD __attribute__((noinline)) static void weigh(Block& block, const Unit& unit,
                                                             const float* scores, std::uint32_t* weights) {
    Weights<WithLse> sum(block, scores, weights);
    for (int step = 0; step < kUnitSteps; ++step) sum.add(unit, step);
    sum.keep_sums(block);
  }

  /// Raises the maxima to those of a unit's scores, and brings to them sums, output and the weights not yet
  /// multiplied, or multiplied in some columns only.
  ATTNBENCH_SIMD __attribute__((noinline)) static void raise(Block& block, Pipeline& pipeline,
                                                             const Unit& unit, const float* scores) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    for (int half = 0; half < 2; ++half) {
      __m512 top = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
      const float* s = scores + unit.begin[half] * kLanes + half * kHalfLanes;
      for (int key = unit.begin[half]; key < unit.end[half]; ++key, s += kLanes) {
        __m512 score = _mm512_load_ps(s);
        if (unit.masked[half]) score = Weights<WithLse>::visible(block, unit, half, key, score);
        top = _mm512_max_ps(top, score);
      }
      const int lane = half * kHalfLanes;
      const __m512 whole =
          _mm512_roundscale_ps(_mm512_mul_ps(top, scale), _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
      const __m512 old = _mm512_load_ps(block.maximum + lane);
      const __m512 maximum = _mm512_max_ps(old, whole);
      const __m512 factor = _mm512_scalef_ps(_mm512_set1_ps(1.0F), _mm512_sub_ps(old, maximum));
      _mm512_store_ps(block.maximum + lane, maximum);
      if constexpr (WithLse) {
        _mm512_store_ps(block.sum + lane, _mm512_mul_ps(factor, _mm512_load_ps(block.sum + lane)));
      }
      for (int u = pipeline.multiplied; u < pipeline.weighed; ++u) {
        auto* w = weights_of(block, u) + lane;
        for (int pair = 0; pair < kUnitKeys / 2; ++pair, w += kLanes) {
          _mm512_store_si512(w, Bf16::scaled(_mm512_load_si512(w), factor));
        }
      }
      if (!pipeline.has_output(half) && pipeline.column == 0) continue;
      if constexpr (!WithLse) {
        float* sum = sums_of(block) + lane;
        _mm512_store_ps(sum, _mm512_mul_ps(factor, _mm512_load_ps(sum)));
      }
      for (std::int64_t d = 0; d < block.head_dim_v; ++d) {
        float* row = block.output + d * kLanes + lane;
        _mm512_store_ps(row, _mm512_mul_ps(factor, _mm512_load_ps(row)));
      }
    }
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
