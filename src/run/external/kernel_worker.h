#pragma once

#include <string>

#include "attnbench/kernel.h"
#include "run/protocol/process.h"

namespace attnbench {

/// The program in which the kernel computes, where that is an engine's own; empty: the process that calls it.
std::string program_of(const KernelInfo& kernel);

/// What starts a worker, without the programs of engines that are not the kernel's: a framework takes seconds
/// to start, and this worker is asked for one kernel.
Program worker_for(const KernelInfo& kernel, Program worker);

}  // namespace attnbench
