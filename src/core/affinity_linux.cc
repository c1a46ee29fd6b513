#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attnbench/cpu_device.h"
#include "core/affinity.h"

namespace attnbench {
namespace {

cpu_set_t g_at_start;
long g_bytes_at_start = 0;  // 0: not read

// libgomp binds the first thread when it is loaded, if OMP_PROC_BIND says so. That is before main() and
// before every constructor of this program, but after .preinit_array. Sanitizers are not yet at work there.
__attribute__((no_sanitize("address", "thread", "undefined"))) void read_at_start(int, char**, char**) {
  g_bytes_at_start = syscall(SYS_sched_getaffinity, 0, sizeof g_at_start, &g_at_start);
}
__attribute__((section(".preinit_array"), used)) void (*g_first_of_all)(int, char**, char**) = read_at_start;

}  // namespace

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  if (g_bytes_at_start <= 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &g_at_start)) cpus.push_back(cpu);
  }
  return cpus;
}

void restore_start_affinity() {
  if (g_bytes_at_start > 0) sched_setaffinity(0, sizeof g_at_start, &g_at_start);
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
