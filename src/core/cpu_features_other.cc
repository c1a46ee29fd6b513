#include "attnbench/cpu_device.h"

namespace attnbench {

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = [] {
    CpuFeatures f;
    f.neon = true;  // part of every AArch64
    return f;
  }();
  return features;
}

}  // namespace attnbench
