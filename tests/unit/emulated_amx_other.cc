#include "emulated_amx.h"

namespace attnbench {

const KernelInfo* emulated_amx_kernel() { return nullptr; }

}  // namespace attnbench
