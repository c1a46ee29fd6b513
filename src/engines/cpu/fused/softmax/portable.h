#pragma once

#include <cstdint>

#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {

/// Of the target (Highway's word for a vector instruction set) in use; every element type has one.
const SoftmaxPath* portable_path(DType dtype);
/// The target in use, one of Highway's HWY_*.
std::int64_t portable_target();
/// Targets that were compiled and that this CPU has, as one mask.
std::int64_t portable_targets();

}  // namespace attnbench::cpu::fused
