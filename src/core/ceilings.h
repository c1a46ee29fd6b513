#pragma once

#include "attnbench/ceilings.h"

namespace attnbench {

/// The fastest unit that a kernel of this element type may use. bf16 may widen and use f32 units; f16 has no
/// unit of its own here. 0 if none was measured.
double compute_ceiling_flops(const Ceilings& ceilings, DType dtype);

/// The highest rate measured over as many bytes: over the largest working set that is not larger than `bytes`
/// (where caches serve at least as well), or any larger one should that have been faster. Never too low.
double bandwidth_ceiling(const Ceilings& ceilings, double bytes);

}  // namespace attnbench
