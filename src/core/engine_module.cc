#include "core/engine_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "core/hash.h"

namespace attnbench {

EngineModule load_engine_module(const std::string& engine) {
  const auto file = "libattnbench_" + engine + ".so";
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::string problem = dlerror();
    problem.erase(0, problem.find_last_of('/', problem.find(": ")) + 1);  // no path is stored
    return {nullptr, fmt::format("the module of engine {} cannot be loaded: {}", engine, problem)};
  }
  void* entry = dlsym(library, ("attnbench_" + engine + "_backend").c_str());
  if (entry == nullptr) return {nullptr, fmt::format("{} is no module of engine {}", file, engine)};
  return {entry, {}};
}

std::string hash_of_module(const void* entry) {
  Dl_info info{};
  if (entry == nullptr || dladdr(entry, &info) == 0) return "unknown";
  std::ifstream in(info.dli_fname, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  return fmt::format("{:016x}", fnv1a(bytes));
}

}  // namespace attnbench
