#include "attnbench/cpu_device.h"
#include "core/system/arm_features.h"

namespace attnbench {

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = [] {
    CpuFeatures f;
    f.neon = true;  // part of every AArch64
    f.neon_bf16 = has_feat_bf16();
    f.neon_fhm = has_feat_fhm();
    return f;
  }();
  return features;
}

}  // namespace attnbench
