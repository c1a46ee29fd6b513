#pragma once

#include "claims/evidence.h"

namespace attnbench {

/// The best_set relation. A name stands for a mechanism with one or more kernels, and is as fast as the
/// fastest of them; all are tested against all, so that nothing is chosen by its times beforehand.
void weigh_best_set(const PartSpec& spec, const Operands& operands, Evidence& evidence);

}  // namespace attnbench
