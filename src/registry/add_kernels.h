#pragma once

#include <string>
#include <vector>

#include "attnbench/kernel.h"

namespace attnbench {

/// Registers kernels that live as long as the program. Throws InputError("plugin", file, ...) where one has
/// the name of one that is there; then none is registered.
void add_kernels(const std::vector<const KernelInfo*>& more, const std::string& file);

}  // namespace attnbench
