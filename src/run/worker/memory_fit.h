#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "attnbench/device.h"
#include "plan/study.h"
#include "run/protocol/messages.h"

namespace attnbench {

/// Memory that may be used without swapping, bytes; 0 where the system does not tell.
std::int64_t available_memory_bytes();

/// All kernels of a cell are prepared in one process. Those that do not fit beside the others into four
/// fifths of `available_bytes` (0: no limit), the largest workspaces first, with the reason: bytes needed and
/// available. Unsupported kernels take no part.
std::map<std::string, std::string> kernels_that_do_not_fit(const Cell& cell,
                                                           std::span<const KernelChoice> kernels,
                                                           const Device& device,
                                                           std::int64_t available_bytes);

}  // namespace attnbench
