#pragma once

namespace attnbench {

/// Sets rounding to nearest and denormals to be kept, on the caller and on every thread of the pool: a
/// kernel that left another mode behind would change its successors' results and times.
void reset_fp_state(int threads);

/// True if all these threads round to nearest and keep denormal inputs and results.
bool fp_state_is_default(int threads);

}  // namespace attnbench
