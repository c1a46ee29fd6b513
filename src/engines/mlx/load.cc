#include "engines/mlx/load.h"

#include <cstdlib>
#include <optional>

#include "attnbench/plugin.h"
#include "core/engine_module.h"

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
  const auto module = load_engine_module("mlx");
  if (module.entry == nullptr) return {nullptr, module.problem};
  const auto entry = reinterpret_cast<decltype(&attnbench_mlx_backend)>(module.entry);
  if (auto* backend = entry(kPluginAbi, &kServices)) return {backend, {}, module.entry};
  return {nullptr, "libattnbench_mlx.so belongs to another build"};
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
  all["mlx_module"] = hash_of_module(loaded.entry);
  return all;
}

}  // namespace attnbench::mlx
