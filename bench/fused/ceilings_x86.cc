#include "ceilings_x86.h"

namespace attnbench::bench {

double flops_of_rounds(bool bf16, std::int64_t rounds) {
  return static_cast<double>(rounds) * 16 * (bf16 ? 64 : 32);
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

void run_products(bool bf16, std::int64_t rounds) {
  __asm__ volatile("vpxord %%zmm16, %%zmm16, %%zmm16\nvpxord %%zmm17, %%zmm17, %%zmm17\n" ::: "cc");
  if (bf16) {
    __asm__ volatile("1:\n" ATTNBENCH_SIXTEEN("vdpbf16ps") "dec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(rounds)::ATTNBENCH_CLOBBERS);
  } else {
    __asm__ volatile("1:\n" ATTNBENCH_SIXTEEN("vfmadd231ps") "dec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(rounds)::ATTNBENCH_CLOBBERS);
  }
}

void run_products_256(std::int64_t rounds) {
  __asm__ volatile(
      "vxorps %%ymm14, %%ymm14, %%ymm14\nvxorps %%ymm15, %%ymm15, %%ymm15\n"
      "1:\n.irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,0,1\nvfmadd231ps %%ymm14, %%ymm15, %%ymm\\r\n.endr\n"
      "dec %0\njnz 1b\nvzeroupper\n"
      : "+r"(rounds)::ATTNBENCH_CLOBBERS);
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
