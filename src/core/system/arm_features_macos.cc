#include "core/system/apple_values.h"
#include "core/system/arm_features.h"

namespace attnbench {

bool has_feat_bf16() { return apple::number(SystemFiles(), "hw.optional.arm.FEAT_BF16") == 1; }
bool has_feat_fhm() { return apple::number(SystemFiles(), "hw.optional.arm.FEAT_FHM") == 1; }

}  // namespace attnbench
