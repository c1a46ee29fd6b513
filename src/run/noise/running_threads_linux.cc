#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "run/noise/running_threads.h"

namespace attnbench {

int running_threads(pid_t process) {
  const auto caller = std::to_string(syscall(SYS_gettid));
  int running = 0;
  std::error_code ignored;  // it ends at any time
  for (const auto& thread :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), ignored)) {
    if (thread.path().filename() == caller) continue;
    std::ifstream in(thread.path() / "stat");
    const std::string text(std::istreambuf_iterator<char>(in), {});
    const auto name_end = text.rfind(')');  // the name may hold one itself; ") R ..." follows
    if (name_end != std::string::npos && text.substr(name_end, 3) == ") R") ++running;
  }
  return running;
}

}  // namespace attnbench
