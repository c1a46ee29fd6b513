#include <dlfcn.h>
#include <mlx/device.h>
#include <mlx/scheduler.h>
#include <mlx/stream.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "engines/mlx/module/threads.h"

extern "C" {
void openblas_set_num_threads(int threads);
int openblas_get_parallel();
char* openblas_get_config();
char* openblas_get_corename();
}

namespace attnbench::mlx {
namespace {

namespace mx = ::mlx::core;

const void* object_of(const void* symbol, std::string* file = nullptr) {
  Dl_info info{};
  if (symbol == nullptr || dladdr(symbol, &info) == 0) return nullptr;
  if (file != nullptr) *file = std::filesystem::path(info.dli_fname).filename().string();
  return info.dli_fbase;
}

/// Names are looked up for libmlx as they are for this module: in the program, then in what the module
/// brought, in order.
Blas find_blas() {
  std::string file = "none";
  const void* used = object_of(dlsym(RTLD_DEFAULT, "cblas_sgemm"), &file);
  if (used != object_of(reinterpret_cast<const void*>(&openblas_get_config)))
    return {file, "products come from " + file + ", not from OpenBLAS: their threads cannot be set"};
  constexpr int kPthreads = 1;
  const std::string version = std::string(openblas_get_config()) + ", core " + openblas_get_corename();
  if (openblas_get_parallel() != kPthreads)
    return {version, "OpenBLAS has no threads of its own here: install libopenblas0-pthread"};
  return {version, {}};
}

cpu_set_t set_of(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  return set;
}

std::vector<pid_t> threads_of_process() {
  std::vector<pid_t> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ids.push_back(std::stoi(entry.path().filename().string()));
  std::sort(ids.begin(), ids.end());
  return ids;
}

/// Where this thread may run, for as long as this lives.
class RunningOn {
 public:
  explicit RunningOn(const std::vector<int>& cpus) {
    sched_getaffinity(0, sizeof before_, &before_);
    const auto set = set_of(cpus);
    sched_setaffinity(0, sizeof set, &set);
  }
  ~RunningOn() { sched_setaffinity(0, sizeof before_, &before_); }
  RunningOn(const RunningOn&) = delete;
  RunningOn& operator=(const RunningOn&) = delete;
  /// Whether the program binds its threads, one to a CPU.
  bool were_bound() const { return CPU_COUNT(&before_) == 1; }

 private:
  cpu_set_t before_;
};

void bind(pid_t thread, const std::vector<int>& cpus) {
  const auto set = set_of(cpus);
  sched_setaffinity(thread, sizeof set, &set);
}

/// OpenBLAS's own threads, in the order in which they were started.
std::vector<pid_t>& blas_threads() {
  static std::vector<pid_t> ids;
  return ids;
}

}  // namespace

const Blas& blas() {
  static const Blas found = find_blas();
  return found;
}

void use(const Place& place) {
  static std::optional<Place> current;
  if (current == place || place.gpu || place.cpus.empty()) return;
  const RunningOn all(place.cpus);  // a new thread inherits it
  const auto before = threads_of_process();
  openblas_set_num_threads(place.threads);
  for (const auto id : threads_of_process()) {
    if (!std::binary_search(before.begin(), before.end(), id)) blas_threads().push_back(id);
  }
  // The stream's thread is the first of a product's; the thread that builds the graph is on the first CPU, so
  // that both can go on at once.
  const auto& cpus = place.cpus;
  const bool bound = all.were_bound() && static_cast<int>(cpus.size()) >= place.threads;
  const auto own = [&](std::size_t n) { return bound ? std::vector<int>{cpus[n]} : cpus; };
  for (std::size_t n = 0; n < blas_threads().size(); ++n)
    bind(blas_threads()[n], own(std::min(n, static_cast<std::size_t>(place.threads - 1))));
  const auto stream = mx::default_stream(mx::Device::cpu);
  mx::scheduler::enqueue(stream, [&] { bind(0, own(static_cast<std::size_t>(place.threads - 1))); });
  mx::synchronize(stream);
  current = place;
}

}  // namespace attnbench::mlx
