#pragma once

#include <sched.h>

namespace attnbench {

/// The CPUs of the first thread when the process began; null: not known. In libattnbench.so, when that was
/// loaded.
const cpu_set_t* start_cpus();

}  // namespace attnbench
