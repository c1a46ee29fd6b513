#include <array>

#include "core/tile_config.h"
#include "engines/cpu/ceilings/loops.h"

// Loops are written in assembly: a compiler that spills, splits or drops one instruction would make the
// ceiling too low, and honest kernels impossible.

#define CLOBBER_16                                                                                           \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"
#define CLOBBER_32                                                                                      \
  CLOBBER_16, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"

namespace attnbench {
namespace {

// Accumulators approach 2 (x/2 + 1), far from denormals and overflow. Latency times throughput is at most 10
// for two FMA units of 5 cycles, and 16 for a multiply and an add on either of two units.
constexpr float kFactor = 0.5f;
constexpr float kAddend = 1.0f;
#define ACCUMULATORS_14 "0,1,2,3,4,5,6,7,8,9,10,11,12,13"
#define ACCUMULATORS_24 ACCUMULATORS_14 ",14,15,16,17,18,19,20,21,22,23"

void mul_add_sse(std::int64_t n) {
  __asm__ volatile(
      "movss %[factor], %%xmm14\n shufps $0, %%xmm14, %%xmm14\n"
      "movss %[addend], %%xmm15\n shufps $0, %%xmm15, %%xmm15\n"
      ".irp r," ACCUMULATORS_14
      "\n movaps %%xmm15, %%xmm\\r\n .endr\n"
      "1:\n"
      ".irp r," ACCUMULATORS_14
      "\n mulps %%xmm14, %%xmm\\r\n addps %%xmm15, %%xmm\\r\n .endr\n"
      "dec %[n]\n jnz 1b\n"
      : [n] "+r"(n)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", CLOBBER_16);
}

__attribute__((target("avx2,fma"))) void fma_avx2(std::int64_t n) {
  __asm__ volatile(
      "vbroadcastss %[factor], %%ymm14\n vbroadcastss %[addend], %%ymm15\n"
      ".irp r," ACCUMULATORS_14
      "\n vmovaps %%ymm15, %%ymm\\r\n .endr\n"
      "1:\n"
      ".irp r," ACCUMULATORS_14
      "\n vfmadd213ps %%ymm15, %%ymm14, %%ymm\\r\n .endr\n"
      "dec %[n]\n jnz 1b\n vzeroupper\n"
      : [n] "+r"(n)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", CLOBBER_16);
}

__attribute__((target("avx512f"))) void fma_avx512(std::int64_t n) {
  __asm__ volatile(
      "vbroadcastss %[factor], %%zmm30\n vbroadcastss %[addend], %%zmm31\n"
      ".irp r," ACCUMULATORS_24
      "\n vmovaps %%zmm31, %%zmm\\r\n .endr\n"
      "1:\n"
      ".irp r," ACCUMULATORS_24
      "\n vfmadd213ps %%zmm31, %%zmm30, %%zmm\\r\n .endr\n"
      "dec %[n]\n jnz 1b\n vzeroupper\n"
      : [n] "+r"(n)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", CLOBBER_32);
}

// The accumulators grow by 2 a step until one more no longer changes them.
constexpr std::uint32_t kBf16Ones = 0x3f803f80;

__attribute__((target("avx512f,avx512bf16"))) void vdpbf16ps_avx512(std::int64_t n) {
  __asm__ volatile(
      "vpbroadcastd %[ones], %%zmm31\n"
      ".irp r," ACCUMULATORS_24
      "\n vmovaps %%zmm31, %%zmm\\r\n .endr\n"
      "1:\n"
      ".irp r," ACCUMULATORS_24
      "\n vdpbf16ps %%zmm31, %%zmm31, %%zmm\\r\n .endr\n"
      "dec %[n]\n jnz 1b\n vzeroupper\n"
      : [n] "+r"(n)
      : [ones] "m"(kBf16Ones)
      : "cc", CLOBBER_32);
}

/// 32 x 32 outputs in tiles 0-3 from two left tiles (4, 5) and two right tiles (6, 7).
__attribute__((target("amx-tile,amx-bf16"))) void tdpbf16ps_amx(std::int64_t n) {
  static constexpr TileConfig config;
  static constexpr auto ones = [] {
    std::array<std::uint32_t, 256> tile{};
    for (auto& pair : tile) pair = kBf16Ones;
    return tile;
  }();
  constexpr std::int64_t kRowBytes = 64;
  __asm__ volatile(
      "ldtilecfg %[config]\n"
      ".irp r,0,1,2,3\n tilezero %%tmm\\r\n .endr\n"
      ".irp r,4,5,6,7\n tileloadd (%[ones],%[stride],1), %%tmm\\r\n .endr\n"
      "1:\n"
      "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
      "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n"
      "dec %[n]\n jnz 1b\n tilerelease\n"
      : [n] "+r"(n)
      : [config] "m"(config), [ones] "r"(ones.data()), [stride] "r"(kRowBytes), "m"(ones)
      : "cc");
}

#define READ_LOOP(function, features, move, reg, width, finish)                                  \
  __attribute__((target(features))) void function(const std::byte* source, std::int64_t bytes) { \
    __asm__ volatile(                                                                            \
        "1:\n"                                                                                   \
        ".irp r,0,1,2,3,4,5,6,7\n " move " " width "*\\r(%[source]), %%" reg                     \
        "\\r\n .endr\n"                                                                          \
        "add $8*" width ", %[source]\n sub $8*" width ", %[bytes]\n jnz 1b\n" finish             \
        : [source] "+r"(source), [bytes] "+r"(bytes)                                             \
        :                                                                                        \
        : "cc", "memory", CLOBBER_16);                                                           \
  }

#define COPY_LOOP(function, features, load, store, reg, width, finish)                        \
  __attribute__((target(features))) void function(std::byte* target, const std::byte* source, \
                                                  std::int64_t bytes) {                       \
    __asm__ volatile(                                                                         \
        "1:\n"                                                                                \
        ".irp r,0,1,2,3,4,5,6,7\n " load " " width "*\\r(%[source]), %%" reg                  \
        "\\r\n .endr\n"                                                                       \
        ".irp r,0,1,2,3,4,5,6,7\n " store " %%" reg "\\r, " width                             \
        "*\\r(%[target])\n .endr\n"                                                           \
        "add $8*" width ", %[source]\n add $8*" width ", %[target]\n sub $8*" width           \
        ", %[bytes]\n jnz 1b\n" finish                                                        \
        : [source] "+r"(source), [target] "+r"(target), [bytes] "+r"(bytes)                   \
        :                                                                                     \
        : "cc", "memory", CLOBBER_16);                                                        \
  }

READ_LOOP(read_sse, "sse2", "movaps", "xmm", "16", "")
READ_LOOP(read_avx2, "avx2", "vmovaps", "ymm", "32", "vzeroupper\n")
READ_LOOP(read_avx512, "avx512f", "vmovaps", "zmm", "64", "vzeroupper\n")
COPY_LOOP(copy_sse, "sse2", "movaps", "movaps", "xmm", "16", "")
COPY_LOOP(copy_avx2, "avx2", "vmovaps", "vmovaps", "ymm", "32", "vzeroupper\n")
COPY_LOOP(copy_avx512, "avx512f", "vmovaps", "vmovaps", "zmm", "64", "vzeroupper\n")
COPY_LOOP(stream_sse, "sse2", "movaps", "movntps", "xmm", "16", "sfence\n")
COPY_LOOP(stream_avx2, "avx2", "vmovaps", "vmovntps", "ymm", "32", "sfence\n vzeroupper\n")
COPY_LOOP(stream_avx512, "avx512f", "vmovaps", "vmovntps", "zmm", "64", "sfence\n vzeroupper\n")

}  // namespace

std::vector<ComputeLoop> compute_loops(const CpuFeatures& features) {
  // Lanes, times two for a multiply and an add, times accumulators; pairs of bf16 double it.
  std::vector<ComputeLoop> loops = {{"mul+add", "sse", DType::f32, 4 * 2 * 14, mul_add_sse}};
  if (features.avx2) loops.push_back({"fma", "avx2", DType::f32, 8 * 2 * 14, fma_avx2});
  if (features.avx512) loops.push_back({"fma", "avx512", DType::f32, 16 * 2 * 24, fma_avx512});
  if (features.avx512_bf16)
    loops.push_back({"vdpbf16ps", "avx512", DType::bf16, 16 * 2 * 2 * 24, vdpbf16ps_avx512});
  if (features.amx_bf16)
    loops.push_back({"tdpbf16ps", "amx", DType::bf16, 4 * 16 * 16 * 32 * 2, tdpbf16ps_amx});
  return loops;
}

MemoryLoops memory_loops(const CpuFeatures& features) {
  if (features.avx512) return {read_avx512, copy_avx512, stream_avx512};
  if (features.avx2) return {read_avx2, copy_avx2, stream_avx2};
  return {read_sse, copy_sse, stream_sse};
}

}  // namespace attnbench
