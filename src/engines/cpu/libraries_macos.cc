#include <fmt/format.h>
#include <hwy/highway.h>

#include "core/register_kernel.h"
#include "core/system/apple_values.h"

/// Accelerate, which comes with the system and has its version, and Highway as compiled.
ATTNBENCH_REGISTER_LIBRARIES(cpu_libraries) {
  using namespace attnbench;
  return {{"accelerate", apple::text(SystemFiles(), "kern.osversion").value_or(kNotReadable)},
          {"highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)}};
}
