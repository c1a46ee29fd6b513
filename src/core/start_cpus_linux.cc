#include <sys/syscall.h>
#include <unistd.h>

#include "core/start_cpus.h"

// A shared library is built with another one: the linker takes this one in programs alone.
#ifndef ATTNBENCH_START_SECTION
#define ATTNBENCH_START_SECTION ".preinit_array"
#endif

namespace attnbench {
namespace {

cpu_set_t g_at_start;
long g_bytes_at_start = 0;  // 0: not read

// libgomp binds the first thread when it is loaded, if OMP_PROC_BIND says so. That is before main() and
// before every constructor of this program, but after .preinit_array. Sanitizers are not yet at work there.
__attribute__((no_sanitize("address", "thread", "undefined"))) void read_at_start(int, char**, char**) {
  g_bytes_at_start = syscall(SYS_sched_getaffinity, 0, sizeof g_at_start, &g_at_start);
}
__attribute__((section(ATTNBENCH_START_SECTION), used)) void (*g_first_of_all)(int, char**,
                                                                               char**) = read_at_start;

}  // namespace

const cpu_set_t* start_cpus() { return g_bytes_at_start > 0 ? &g_at_start : nullptr; }

}  // namespace attnbench
