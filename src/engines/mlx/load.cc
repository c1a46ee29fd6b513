#include "engines/mlx/load.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

#include "attnbench/plugin.h"
#include "core/hash.h"

namespace attnbench::mlx {
namespace {

/// Sets a variable of the environment for a library that reads it when it is loaded.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value, 1);
  }
  ~Variable() {
    if (old_) {
      setenv(name_, old_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

constexpr Services kServices = {&allowed_keys, &roles_of, &fill_nan};

Loaded load_module() {
  // f32 products in f32; MLX reads this at its first product, which may be any later one.
  setenv("MLX_ENABLE_TF32", "0", 1);
  // OpenBLAS starts no thread before a cell says how many, and a thread that waits spins 2^20 ticks (0.3 to
  // 0.5 ms), not 2^26: longer than from one product of an evaluation to the next, shorter than the untimed
  // calls that begin the next kernel's slot.
  const Variable threads("OPENBLAS_NUM_THREADS", "1");
  const Variable spin("OPENBLAS_THREAD_TIMEOUT", "20");
  void* library = dlopen("libattnbench_mlx.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::string problem = dlerror();
    problem.erase(0, problem.find_last_of('/', problem.find(": ")) + 1);  // no path is stored
    return {nullptr, "the module of engine mlx cannot be loaded: " + problem};
  }
  const auto entry =
      reinterpret_cast<decltype(&attnbench_mlx_backend)>(dlsym(library, "attnbench_mlx_backend"));
  if (entry == nullptr) return {nullptr, "libattnbench_mlx.so is no module of engine mlx"};
  if (auto* backend = entry(kPluginAbi, &kServices)) return {backend, {}};
  return {nullptr, "libattnbench_mlx.so belongs to another build"};
}

/// The module is a file of its own: it may change where the program does not.
std::string module_hash() {
  void* library = dlopen("libattnbench_mlx.so", RTLD_LAZY | RTLD_NOLOAD);
  Dl_info info{};
  void* entry = library == nullptr ? nullptr : dlsym(library, "attnbench_mlx_backend");
  if (entry == nullptr || dladdr(entry, &info) == 0) return "unknown";
  std::ifstream in(info.dli_fname, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  return fmt::format("{:016x}", fnv1a(bytes));
}

}  // namespace

const Loaded& load() {
  static const Loaded loaded = load_module();
  return loaded;
}

std::map<std::string, std::string> libraries() {
  const auto& loaded = load();
  if (loaded.backend == nullptr) return {{"mlx", loaded.problem}};
  auto all = loaded.backend->libraries();
  all["mlx_module"] = module_hash();
  return all;
}

}  // namespace attnbench::mlx
