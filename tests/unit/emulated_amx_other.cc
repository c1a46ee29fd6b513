#include "emulated_amx.h"

namespace attnbench {

const KernelInfo* emulated_amx_kernel() { return nullptr; }
const KernelInfo* emulated_amx_kernel(MechanismKind) { return nullptr; }

}  // namespace attnbench
