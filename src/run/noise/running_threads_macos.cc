#include <libproc.h>
#include <unistd.h>

#include <algorithm>

#include "run/noise/running_threads.h"

namespace attnbench {

int running_threads(pid_t process) {
  proc_taskinfo info{};
  if (proc_pidinfo(process, PROC_PIDTASKINFO, 0, &info, sizeof info) != static_cast<int>(sizeof info))
    return 0;
  return std::max(0, info.pti_numrunning - (process == getpid() ? 1 : 0));
}

}  // namespace attnbench
