#include <cstdint>

#include "core/system/apple_values.h"
#include "run/allocator.h"
#include "run/verification/peak_memory.h"

namespace attnbench {

std::optional<std::int64_t> peak_growth_bytes(const std::function<void()>& work) {
  const SystemFiles files;
  const auto tell = [&](const char* name) {
    return apple::value_in(files.read(apple::kOwnUsage).value_or(""), name);
  };
  release_free_memory();
  const auto before = tell("footprint");
  const auto earlier_peak = tell("peak_footprint");
  work();
  const auto peak = tell("peak_footprint");
  if (!before || !earlier_peak || !peak || *peak <= *earlier_peak) return std::nullopt;
  return *peak - *before;
}

}  // namespace attnbench
