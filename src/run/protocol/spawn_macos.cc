#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>

#include "run/protocol/spawn.h"

namespace attnbench {

// There is a moment before the flags are set: POSIX_SPAWN_CLOEXEC_DEFAULT keeps others from inheriting the
// ends then.
bool make_pipe(std::array<int, 2>& ends) {
  if (pipe(ends.data()) != 0) return false;
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  return true;
}

void inherit_only_what_is_asked(short& flags, posix_spawn_file_actions_t& actions) {
  flags = static_cast<short>(flags | POSIX_SPAWN_CLOEXEC_DEFAULT);
  posix_spawn_file_actions_addinherit_np(&actions, STDERR_FILENO);
}

std::string signal_abbreviation(int signal) {
  if (signal < 1 || signal >= NSIG) return "?";
  std::string name = sys_signame[signal];
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

}  // namespace attnbench
