#include "core/system/host.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "core/system/apple_values.h"

namespace attnbench {
namespace {

/// hw.optional.arm.FEAT_..., as far as kernels here might use it.
constexpr std::string_view kArmFeatures[] = {"FEAT_FP16", "FEAT_FHM", "FEAT_DotProd", "FEAT_BF16",
                                             "FEAT_I8MM", "FEAT_SME", "FEAT_SME2"};

CpuInfo apple_cpu_info(const SystemFiles& files) {
  CpuInfo info;
  const auto chip = apple::text(files, "machdep.cpu.brand_string");
  if (!chip) return info;
  info.vendor = "Apple";
  info.model = *chip;
  info.model_number = apple::text(files, "hw.model").value_or("");
  for (const auto feature : kArmFeatures) {
    if (apple::number(files, fmt::format("hw.optional.arm.{}", feature)) == 1)
      info.flags.emplace_back(feature);
  }
  for (const auto& level : apple::perf_levels(files)) info.logical_cpus += level.logical;
  return info;
}

}  // namespace

CpuInfo cpu_info(const SystemFiles& files) {
  const auto cpuinfo = files.read("/proc/cpuinfo");
  return cpuinfo ? parse_cpuinfo(*cpuinfo) : apple_cpu_info(files);
}

std::optional<std::int64_t> memory_bytes(const SystemFiles& files) {
  if (const auto bytes = parse_meminfo(files.read("/proc/meminfo").value_or(""), "MemTotal")) return bytes;
  const auto bytes = apple::number(files, "hw.memsize");
  return bytes && *bytes > 0 ? bytes : std::nullopt;
}

std::optional<std::int64_t> free_memory_bytes(const SystemFiles& files) {
  if (const auto bytes = parse_meminfo(files.read("/proc/meminfo").value_or(""), "MemAvailable"))
    return bytes;
  const auto pages = files.read(apple::kMemoryPages).value_or("");
  const auto page_bytes = apple::value_in(pages, "page_size");
  const auto free = apple::value_in(pages, "free");
  const auto total = memory_bytes(files);
  if (!page_bytes || !free || !total || *page_bytes < 1 || *free < 0) return std::nullopt;
  // free_count holds the speculative pages; those of files are among the inactive ones, or active and in use.
  std::int64_t usable = *free;
  for (const auto* name : {"inactive", "purgeable"})
    usable += std::max<std::int64_t>(apple::value_in(pages, name).value_or(0), 0);
  if (usable > *total / *page_bytes) return total;
  return usable * *page_bytes;
}

std::int64_t address_space_bytes(const SystemFiles& files) {
  if (const auto pages = files.read("/proc/self/statm"))
    return parse_integer(split_words(*pages).front()).value_or(0) * sysconf(_SC_PAGESIZE);
  return parse_integer(files.read(apple::kAddressSpace).value_or("")).value_or(0);
}

std::optional<std::string> system_name(const SystemFiles& files) {
  if (auto name = parse_os_release(files.read("/etc/os-release").value_or(""))) return name;
  const auto version = apple::text(files, "kern.osproductversion");
  if (!version) return std::nullopt;
  const auto build = apple::text(files, "kern.osversion");
  return build ? fmt::format("macOS {} ({})", *version, *build) : fmt::format("macOS {}", *version);
}

}  // namespace attnbench
