#pragma once

// The tile kernel of path amx: S^T = K Q^T with queries as columns of tiles. K comes in place as the left
// operand, Q packed once as the right one; weights leave the softmax in the pairs that the right operand of
// O^T += V^T P^T wants, V is transposed once a kv head. At head_dim 64 the matrix unit needs 4 cycles for 16
// scores and the softmax about as many on other ports, so the two must overlap: a turn issues the tile
// operations of one chunk's scores and another's values step by step between the weights of a third, which
// the out-of-order core then runs side by side.
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
    for (auto& chunk : pipeline.chunk) chunk.units = 0;
    pipeline.turn = 0;
    pipeline.started[0] = pipeline.started[1] = false;
    pipeline.has_maximum = false;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    auto& pipeline = pipeline_of(block);
    for (const auto& span : spans) {
      const std::byte* v = span.v;
      for (auto key = span.first_key; key < span.first_key + span.keys; v += span.v_stride_bytes) {
        const auto unit_begin = key / kUnitKeys * kUnitKeys;
        const auto end = std::min(unit_begin + kUnitKeys, span.first_key + span.keys);
        if (!continues(pipeline.filling(), v)) {
          if (pipeline.filling().units == kChunkUnits) turn(block, pipeline);
          auto& chunk = pipeline.filling();
          auto& unit = chunk.unit[chunk.units++];
          unit = {};
          unit.k = span.k - (span.first_key - unit_begin) * span.k_stride_bytes;
          unit.k_stride_bytes = span.k_stride_bytes;
          unit.v = v;
          unit.first_key = unit_begin;
        }
        auto& chunk = pipeline.filling();
        chunk.unit[chunk.units - 1].add(key - unit_begin, end - unit_begin, span.halves,
                                        key < span.full_begin || end > span.full_end);
        key = end;
      }
    }
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) {
    auto& pipeline = pipeline_of(block);
    if (pipeline.filling().units > 0) turn(block, pipeline);
    turn(block, pipeline);
    turn(block, pipeline);
    if constexpr (!WithLse) {
      for (int half = 0; half < 2; ++half) {
        if (!pipeline.started[half]) continue;
        _mm512_store_ps(block.sum + half * kHalfLanes, _mm512_load_ps(sums_of(block) + half * kHalfLanes));
      }
    }
    Tile<Bf16>::finish(block);
  }

 private:
  static bool continues(const Chunk& chunk, const std::byte* v) {
    return chunk.units > 0 && chunk.unit[chunk.units - 1].v == v;
  }

  ATTNBENCH_SIMD static void turn(Block& block, Pipeline& pipeline) {
    const Chunk& chunk = pipeline.weighing();
    auto* scores = scores_of(block, pipeline.turn + 1);
    auto* weights = weights_of(block, pipeline.turn + 1);
    if (chunk.units > 0 && !pipeline.has_maximum) {
      raise(block, chunk, scores, pipeline.started);
      pipeline.has_maximum = true;
    }
    TileStream<Tiles, !WithLse> stream(block, pipeline.filling(), pipeline.multiplying(), pipeline.turn,
                                       pipeline.started);
    const int tile_steps = stream.steps();
    const int steps = chunk.units * kUnitSteps;
    Weights<WithLse> sum(block, scores, weights);
    int left = tile_steps;
    int due = 0;
    for (int step = 0; step < steps; ++step) {
      for (due += tile_steps; due >= steps; due -= steps, --left) stream.step();
      sum.add(chunk, step);
    }
    for (; left > 0; --left) stream.step();
    stream.flush();
    if (sum.too_large()) [[unlikely]] {
      raise(block, chunk, scores, pipeline.started);
      weigh(block, chunk, scores, weights);
    } else {
      sum.keep_sums(block);
    }
    pipeline.multiplying().units = 0;
    ++pipeline.turn;
  }

  /// Weights of a chunk whose maximum is known.
  ATTNBENCH_SIMD __attribute__((noinline)) static void weigh(Block& block, const Chunk& chunk,
                                                             const float* scores, std::uint32_t* weights) {
    Weights<WithLse> sum(block, scores, weights);
    for (int step = 0; step < chunk.units * kUnitSteps; ++step) sum.add(chunk, step);
    sum.keep_sums(block);
  }

  /// Raises the maxima to those of a chunk's scores, and brings sums and output to them.
  ATTNBENCH_SIMD __attribute__((noinline)) static void raise(Block& block, const Chunk& chunk,
                                                             const float* scores, const bool (&started)[2]) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    for (int half = 0; half < 2; ++half) {
      __m512 top = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
      for (int u = 0; u < chunk.units; ++u) {
        const Unit& unit = chunk.unit[u];
        const float* s = scores + (u * kUnitKeys + unit.begin[half]) * kLanes + half * kHalfLanes;
        for (int key = unit.begin[half]; key < unit.end[half]; ++key, s += kLanes) {
          __m512 score = _mm512_load_ps(s);
          if (unit.masked[half]) score = Weights<WithLse>::visible(block, unit, half, key, score);
          top = _mm512_max_ps(top, score);
        }
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
      if (!started[half]) continue;
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
