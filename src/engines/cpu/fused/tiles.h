#pragma once

// The operations on AMX tiles that the kernels use, all tiles being 16 rows of 64 bytes: 16 x 16 f32, or
// 16 x 32 bf16. Kernels take this class, or its emulation (tiles_emulated.h), as a template parameter.
//
// These are not the intrinsics of the compiler on purpose: GCC 12's _tile_loadd has no memory clobber and its
// _tile_loadconfig names 8 of its 64 bytes as input, so that at -O3 stores move past them and tiles are
// loaded stale. Here every access to memory is also a barrier to the compiler;
// tests/rules/tile_barrier_test.sh fails without it. Tile numbers are literals of the instruction, hence
// template parameters.
#include <cstddef>
#include <cstdint>

#include "core/tile_config.h"

namespace attnbench::cpu::fused {
namespace {

#define ATTNBENCH_TILE __attribute__((target("amx-tile,amx-bf16"), always_inline)) static inline

struct AmxTiles {
  /// Before the first operation of a call on this thread: oneDNN configures and releases tiles between calls.
  ATTNBENCH_TILE void configure() {
    static constexpr TileConfig config;
    __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  ATTNBENCH_TILE void release() { __asm__ volatile("tilerelease" : : : "memory"); }

  template <int Tile>
  ATTNBENCH_TILE void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  template <int Tile>
  ATTNBENCH_TILE void load(const void* from, std::int64_t row_stride_bytes) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                     :
                     : "r"(from), "r"(row_stride_bytes), "i"(Tile)
                     : "memory");
  }
  /// load() of what is not read again soon: the line is not kept in L1.
  template <int Tile>
  ATTNBENCH_TILE void load_once(const void* from, std::int64_t row_stride_bytes) {
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2"
                     :
                     : "r"(from), "r"(row_stride_bytes), "i"(Tile)
                     : "memory");
  }
  template <int Tile>
  ATTNBENCH_TILE void store(void* to, std::int64_t row_stride_bytes) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)"
                     :
                     : "r"(to), "r"(row_stride_bytes), "i"(Tile)
                     : "memory");
  }
  /// Sum[m][n] += sum over k of A[m][k] B[k][n]; B holds pairs of rows, [k / 2][n][k % 2].
  template <int Sum, int A, int B>
  ATTNBENCH_TILE void dot() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
  }
};

#undef ATTNBENCH_TILE

}  // namespace
}  // namespace attnbench::cpu::fused
