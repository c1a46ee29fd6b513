#include "core/system/machine_key.h"

#include <fmt/format.h>

#include <cstdint>

#include "attnbench/cpu_device.h"
#include "core/hash.h"
#include "core/system/host.h"
#include "core/system/topology.h"

namespace attnbench {
namespace {

std::string caches_text(const SystemFiles& files) {
  std::string text;
  for (const auto& cache : caches_of(files, 0))
    text += fmt::format("L{} {} {} x{};", cache.level, cache.type, cache.bytes, cache.cpus.size());
  return text.empty() ? kNotReadable : text;
}

std::string memory_text(const SystemFiles& files) {
  const auto bytes = memory_bytes(files);
  if (!bytes) return kNotReadable;
  constexpr std::int64_t kGiB = 1 << 30;
  return fmt::format("{} GiB", (*bytes + kGiB / 2) / kGiB);
}

}  // namespace

std::string machine_key(const SystemFiles& files) {
  const auto cpu = cpu_info(files);
  const auto cores = cores_of(files, online_cpus(files)).value_or(Cores{});
  return fmt::format("{:016x}", fnv1a(fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", cpu.vendor, cpu.model,
                                                  cpu.family, cpu.model_number, cpu.stepping,
                                                  to_string(cpu_features()), cpu.logical_cpus, cores.packages,
                                                  cores.physical, caches_text(files), memory_text(files))));
}

}  // namespace attnbench
