#include <fmt/format.h>
#include <hwy/highway.h>
#include <sqlite3.h>

#include "core/system/apple_values.h"
#include "run/environment/libraries.h"

namespace attnbench {

std::map<std::string, std::string> library_versions() {
  // Accelerate comes with the system and has its version.
  return {{"accelerate", apple::text(SystemFiles(), "kern.osversion").value_or(kNotReadable)},
          {"highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
          {"sqlite", sqlite3_libversion()},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)}};
}

}  // namespace attnbench
