#pragma once

#include "attnbench/kernel.h"

namespace attnbench {

/// The fused softmax kernel of path amx on emulated tiles, as path "amx_emulated"; null where it is not
/// built.
const KernelInfo* emulated_amx_kernel();

}  // namespace attnbench
