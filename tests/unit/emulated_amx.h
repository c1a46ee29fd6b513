#pragma once

#include "attnbench/kernel.h"

namespace attnbench {

/// The fused softmax kernel of path amx on emulated tiles, as path "amx_emulated"; null where it is not
/// built.
const KernelInfo* emulated_amx_kernel();
/// The same of linear/fused or causal_linear/chunked.
const KernelInfo* emulated_amx_kernel(MechanismKind kind);

}  // namespace attnbench
