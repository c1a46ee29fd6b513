#include "ceilings_x86.h"

namespace attnbench::bench {

double flops_of_rounds(Product product, std::int64_t rounds) {
  const double flops =
      product == Product::tiles ? 4 * 16 * 16 * 64 : 16 * (product == Product::pairs ? 64 : 32);
  return static_cast<double>(rounds) * flops;
}

#define ATTNBENCH_SIXTEEN(instruction)                                                              \
  instruction " %%zmm16, %%zmm17, %%zmm0\n" instruction " %%zmm16, %%zmm17, %%zmm1\n" instruction   \
              " %%zmm16, %%zmm17, %%zmm2\n" instruction " %%zmm16, %%zmm17, %%zmm3\n" instruction   \
              " %%zmm16, %%zmm17, %%zmm4\n" instruction " %%zmm16, %%zmm17, %%zmm5\n" instruction   \
              " %%zmm16, %%zmm17, %%zmm6\n" instruction " %%zmm16, %%zmm17, %%zmm7\n" instruction   \
              " %%zmm16, %%zmm17, %%zmm8\n" instruction " %%zmm16, %%zmm17, %%zmm9\n" instruction   \
              " %%zmm16, %%zmm17, %%zmm10\n" instruction " %%zmm16, %%zmm17, %%zmm11\n" instruction \
              " %%zmm16, %%zmm17, %%zmm12\n" instruction " %%zmm16, %%zmm17, %%zmm13\n" instruction \
              " %%zmm16, %%zmm17, %%zmm14\n" instruction " %%zmm16, %%zmm17, %%zmm15\n"

#define ATTNBENCH_CLOBBERS                                                                                   \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15", "cc"

namespace {

/// Operand of ldtilecfg: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t unused[15] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void run_tiles(std::int64_t rounds) {
  static constexpr TileConfig config;
  __asm__ volatile(
      "ldtilecfg %1\n"
      ".irp r,0,1,2,3,4,5,6,7\n tilezero %%tmm\\r\n .endr\n"
      "1:\n"
      "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
      "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n"
      "dec %0\n jnz 1b\n tilerelease\n"
      : "+r"(rounds)
      : "m"(config)
      : "cc");
}

}  // namespace

void run_products(Product product, std::int64_t rounds) {
  if (product == Product::tiles) return run_tiles(rounds);
  __asm__ volatile("vpxord %%zmm16, %%zmm16, %%zmm16\nvpxord %%zmm17, %%zmm17, %%zmm17\n" ::: "cc");
  if (product == Product::pairs) {
    __asm__ volatile("1:\n" ATTNBENCH_SIXTEEN("vdpbf16ps") "dec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(rounds)::ATTNBENCH_CLOBBERS);
  } else {
    __asm__ volatile("1:\n" ATTNBENCH_SIXTEEN("vfmadd231ps") "dec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(rounds)::ATTNBENCH_CLOBBERS);
  }
}

void read_bytes(const std::byte* data, std::int64_t bytes) {
  auto lines = bytes / 256;
  if (lines == 0) return;
  __asm__ volatile(
      "1:\nvmovdqu64 (%0), %%zmm0\nvmovdqu64 64(%0), %%zmm1\nvmovdqu64 128(%0), %%zmm2\nvmovdqu64 192(%0), "
      "%%zmm3\nadd $256, %0\ndec %1\njnz 1b\nvzeroupper\n"
      : "+r"(data), "+r"(lines)::"xmm0", "xmm1", "xmm2", "xmm3", "cc", "memory");
}

}  // namespace attnbench::bench
