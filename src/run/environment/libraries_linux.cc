#include <fmt/format.h>
#include <hwy/highway.h>
#include <oneapi/dnnl/dnnl.h>
#include <sqlite3.h>

#include "run/environment/libraries.h"

namespace attnbench {

std::map<std::string, std::string> library_versions() {
  const auto* onednn = dnnl_version();
  return {{"onednn", fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch)},
          {"highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
          {"sqlite", sqlite3_libversion()},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)}};
}

}  // namespace attnbench
