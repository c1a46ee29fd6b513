#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attnbench/cpu_device.h"

namespace attnbench {
namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

bool bit(unsigned word, unsigned position) { return ((word >> position) & 1u) != 0; }

/// XCR0: which register states the operating system saves.
unsigned saved_states() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool request_amx_tiles() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureTileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureTileData) == 0;
}

CpuFeatures probe() {
  CpuFeatures f;
  const auto basic = cpuid(1, 0);
  const auto extended = cpuid(7, 0);
  const auto extended1 = cpuid(7, 1);
  f.sse42 = bit(basic.ecx, 20);
  const bool osxsave = bit(basic.ecx, 27);
  if (!osxsave) return f;
  const unsigned states = saved_states();
  const bool ymm = (states & 0x6u) == 0x6u;
  const bool zmm = (states & 0xe6u) == 0xe6u;
  const bool tiles = (states & 0x60000u) == 0x60000u;
  f.avx2 = ymm && bit(extended.ebx, 5) && bit(basic.ecx, 12) && bit(basic.ecx, 29);
  f.avx512 = f.avx2 && zmm && bit(extended.ebx, 16) && bit(extended.ebx, 17) && bit(extended.ebx, 28) &&
             bit(extended.ebx, 30) && bit(extended.ebx, 31);
  f.avx512_bf16 = f.avx512 && bit(extended1.eax, 5);
  f.avx512_fp16 = f.avx512 && bit(extended.edx, 23);
  f.amx_bf16 =
      f.avx512_bf16 && tiles && bit(extended.edx, 24) && bit(extended.edx, 22) && request_amx_tiles();
  return f;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = probe();
  return features;
}

}  // namespace attnbench
