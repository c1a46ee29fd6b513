#include <algorithm>
#include <fstream>
#include <string>

#include "run/allocator.h"
#include "run/verification/peak_memory.h"

namespace attnbench {
namespace {

/// A "VmHWM:   1234 kB" line of /proc/self/status, in bytes.
std::int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

}  // namespace

std::optional<std::int64_t> peak_growth_bytes(const std::function<void()>& work) {
  // Memory that the allocator keeps from earlier calls would hide what this one needs.
  release_free_memory();
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;
  const bool was_reset = reset.good();
  const auto before = status_bytes("VmRSS");
  work();
  if (!was_reset) return std::nullopt;
  return std::max<std::int64_t>(status_bytes("VmHWM") - before, 0);
}

}  // namespace attnbench
