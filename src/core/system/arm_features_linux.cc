#include <sys/auxv.h>

#include "core/system/arm_features.h"

namespace attnbench {

// By HWCAP2_BF16 and HWCAP_ASIMDFHM of AArch64, whose bits another CPU uses for other things. Emulated
// programs see the host's /proc/cpuinfo, but a vector of their own.

bool has_feat_bf16() {
  constexpr unsigned long kHwcap2Bf16 = 1UL << 14;
  return (getauxval(AT_HWCAP2) & kHwcap2Bf16) != 0;
}

bool has_feat_fhm() {
  constexpr unsigned long kHwcapAsimdFhm = 1UL << 23;
  return (getauxval(AT_HWCAP) & kHwcapAsimdFhm) != 0;
}

}  // namespace attnbench
