#pragma once

#include <sys/types.h>

namespace attnbench {

/// Threads of a process, but for the caller, that are on a CPU or wait for one; 0 where that cannot be told.
/// Not from their CPU time, which Linux brings up to date for a running thread at its next tick only.
int running_threads(pid_t process);

}  // namespace attnbench
