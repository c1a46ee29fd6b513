#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "run/external/peer_system.h"

namespace attnbench {

void end_with_parent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Where that came too late, nobody has the other end of its input any more.
  pollfd input{STDIN_FILENO, 0, 0};
  if (poll(&input, 1, 0) > 0 && (input.revents & POLLHUP) != 0) _exit(1);
}

void run_on(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace attnbench
