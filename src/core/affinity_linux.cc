#include <sched.h>

#include "attnbench/cpu_device.h"
#include "core/affinity.h"
#include "core/start_cpus.h"

namespace attnbench {

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  const auto* const at_start = start_cpus();
  if (at_start == nullptr) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, at_start)) cpus.push_back(cpu);
  }
  return cpus;
}

void restore_start_affinity() {
  if (const auto* const at_start = start_cpus()) sched_setaffinity(0, sizeof *at_start, at_start);
}

OnStartCpus::OnStartCpus() {
  cpu_set_t now{};
  if (sched_getaffinity(0, sizeof now, &now) == 0) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&now);
    before_.assign(bytes, bytes + sizeof now);
  }
  restore_start_affinity();
}

OnStartCpus::~OnStartCpus() {
  if (!before_.empty())
    sched_setaffinity(0, before_.size(), reinterpret_cast<const cpu_set_t*>(before_.data()));
}

void prefer_fast_cores() {}

}  // namespace attnbench
