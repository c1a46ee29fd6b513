/* A kernel whose call waits, for half a minute at most, until the first element of q is not 0: somebody else must run. */
#include <attnbench/plugin_c.h>
#include <time.h>

static const char* supports(const attnbench_problem* problem) {
  (void)problem;
  return 0;
}
static double executed_flops(const attnbench_problem* problem) { return problem->batch > 0 ? 1 : 0; }
static int64_t workspace_bytes(const attnbench_problem* problem) { return problem->batch > 0 ? 0 : -1; }
static void* prepare(const attnbench_problem* problem) {
  static int prepared;
  (void)problem;
  return &prepared;
}
static int32_t call(void* prepared, const attnbench_tensors* tensors) {
  const volatile float* flag = (const volatile float*)tensors->q.data;
  const time_t begin = time(0);
  (void)prepared;
  while (*flag == 0) {
    const struct timespec moment = {0, 1000000};
    if (time(0) - begin > 30) return 1;
    nanosleep(&moment, 0);
  }
  return 0;
}
static void release(void* prepared) { (void)prepared; }

static const char* const mechanisms[] = {"mha", 0};
static const attnbench_kernel kernel = {"waiting", "test",         "",      mechanisms, 0,      supports,
                                        executed_flops, workspace_bytes, prepare, call,       release};
static const attnbench_kernel* const kernels[] = {&kernel, 0};

int32_t attnbench_c_plugin_version(void) { return ATTNBENCH_C_PLUGIN_VERSION; }
const attnbench_kernel* const* attnbench_c_plugin_kernels(void) { return kernels; }
