#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "attnbench/cpu_device.h"
#include "core/system/system_files.h"
#include "plan/study.h"
#include "run/protocol/messages.h"

namespace attnbench {

/// Memory that may be used without swapping and within the limits of this process's control groups, bytes, at
/// least 1; 0 where the system does not tell.
std::int64_t available_memory_bytes(const SystemFiles& files = SystemFiles());

/// Why the tensors of the cell do not fit into four fifths of `available_bytes` (0: no limit): bytes needed
/// and available. Empty where they fit.
std::string why_tensors_do_not_fit(const Cell& cell, std::int64_t available_bytes);

/// Throws InputError, with the bytes of the smallest cell, where no cell's tensors fit.
void require_cell_that_fits(const Study& study, std::int64_t available_bytes);

/// All kernels of a cell are prepared in one process, each with its workspace and an output of its own;
/// before that each is verified, with all its inputs in memory. Those that do not fit into four fifths of
/// `available_bytes` (0: no limit), the largest first, with the reason: bytes needed and available. Where not
/// even the tensors fit, all of them. Unsupported kernels take no part.
std::map<std::string, std::string> kernels_that_do_not_fit(const Cell& cell,
                                                           std::span<const KernelChoice> kernels,
                                                           const Device& device,
                                                           std::int64_t available_bytes);

}  // namespace attnbench
