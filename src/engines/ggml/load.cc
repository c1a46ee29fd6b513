#include "engines/ggml/load.h"

#include <cstdlib>

#include "attnbench/plugin.h"
#include "core/engine_module.h"

namespace attnbench::ggml {
namespace {

constexpr Services kServices = {&allowed_keys, &fill_nan};

/// The instruction set that ggml needs and this CPU lacks, or nothing.
std::string missing_here(const CpuFeatures& needs) {
  const auto& here = cpu_features();
  if (needs.avx512_bf16 && !here.avx512_bf16) return "avx512_bf16";
  if (needs.avx512 && !here.avx512) return "avx512";
  if (needs.avx2 && !here.avx2) return "avx2";
  return {};
}

Loaded load_module() {
  // Else it takes over std::terminate() and starts a debugger when it aborts.
  setenv("GGML_NO_BACKTRACE", "1", 1);
  const auto module = load_engine_module("ggml");
  if (module.entry == nullptr) return {nullptr, module.problem};
  const auto entry = reinterpret_cast<decltype(&attnbench_ggml_backend)>(module.entry);
  const auto* backend = entry(kPluginAbi, &kServices);
  if (backend == nullptr) return {nullptr, "libattnbench_ggml.so belongs to another build"};
  const auto missing = missing_here(backend->needs());
  if (!missing.empty())
    return {nullptr, "ggml was compiled for a CPU with " + missing + ": compile it on this one"};
  return {backend, {}, module.entry};
}

}  // namespace

const Loaded& load() {
  static const Loaded loaded = load_module();
  return loaded;
}

std::map<std::string, std::string> libraries() {
  const auto& loaded = load();
  if (loaded.backend == nullptr) return {{"ggml", loaded.problem}};
  auto all = loaded.backend->libraries();
  all["ggml_module"] = hash_of_module(loaded.entry);
  return all;
}

}  // namespace attnbench::ggml
