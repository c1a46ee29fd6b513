#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "core/system/system_files.h"
#include "run/noise/running_threads.h"

namespace attnbench {

int running_threads(pid_t process) {
  const SystemFiles files;
  const auto threads = fmt::format("/proc/{}/task", process);
  const auto caller = std::to_string(syscall(SYS_gettid));
  int running = 0;
  for (const auto& thread : files.entries(threads)) {
    if (thread == caller) continue;
    const auto stat = files.read(fmt::format("{}/{}/stat", threads, thread)).value_or("");
    const auto name_end = stat.rfind(')');  // the name may hold one itself; ") R ..." follows
    if (name_end != std::string::npos && stat.substr(name_end, 3) == ") R") ++running;
  }
  return running;
}

}  // namespace attnbench
