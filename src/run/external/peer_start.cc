#include "run/external/peer_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "attnbench/error.h"
#include "run/verification/address_space.h"

namespace attnbench {

Program peer_program(const std::string& file, const std::vector<int>& cpus) {
  Program program;
  program.file = "/proc/self/exe";
  program.words = {"attnbench", "worker", "--exec", file, "--cpus", fmt::format("{}", fmt::join(cpus, ","))};
  // Pools that do not ask for the CPU set take the machine's cores. Another setting of ours would bind
  // threads.
  for (const auto* variable : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    program.environment.emplace_back(variable, std::to_string(cpus.size()));
  program.heartbeats = false;
  return program;
}

void become_peer(const std::string& file, const std::vector<int>& cpus) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Where that came too late, nobody has the other end of its input any more.
  pollfd input{STDIN_FILENO, 0, 0};
  if (poll(&input, 1, 0) > 0 && (input.revents & POLLHUP) != 0) _exit(1);
  unlimit_address_space();  // the worker's is for kernels in it
  // One that is stopped when its group is orphaned is sent a hang-up, which the conductor ignores.
  std::signal(SIGHUP, SIG_DFL);
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
  auto name = file;
  std::array<char*, 2> arguments{name.data(), nullptr};
  execv(name.c_str(), arguments.data());
  throw InputError("plugin", file, "cannot be run: " + std::generic_category().message(errno));
}

}  // namespace attnbench
