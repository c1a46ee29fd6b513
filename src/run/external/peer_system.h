#pragma once

#include <vector>

/// What starting an engine's program needs of each system, in the process that then becomes it.
namespace attnbench {

/// Asks that this process, and the program that it becomes, end with its parent, also while stopped.
void end_with_parent();
/// Binds it to these CPUs, where the system binds threads.
void run_on(const std::vector<int>& cpus);

}  // namespace attnbench
