#include "run/external/peer_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "attnbench/error.h"
#include "run/environment/executable.h"
#include "run/external/peer_system.h"
#include "run/verification/address_space.h"

namespace attnbench {

Program peer_program(const std::string& file, const std::vector<int>& cpus) {
  Program program;
  program.file = own_program();
  program.words = {"attnbench", "worker", "--exec", file, "--cpus", fmt::format("{}", fmt::join(cpus, ","))};
  // Pools that do not ask for the CPU set take the machine's cores. Another setting of ours would bind
  // threads.
  for (const auto* variable : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    program.environment.emplace_back(variable, std::to_string(cpus.size()));
  program.heartbeats = false;
  return program;
}

void become_peer(const std::string& file, const std::vector<int>& cpus) {
  end_with_parent();
  unlimit_address_space();  // the worker's is for kernels in it
  // One that is stopped when its group is orphaned is sent a hang-up, which the conductor ignores.
  std::signal(SIGHUP, SIG_DFL);
  run_on(cpus);
  auto name = file;
  std::array<char*, 2> arguments{name.data(), nullptr};
  execv(name.c_str(), arguments.data());
  throw InputError("plugin", file, "cannot be run: " + std::generic_category().message(errno));
}

}  // namespace attnbench
