#include <fmt/format.h>
#include <hwy/highway.h>
#include <oneapi/dnnl/dnnl.h>

#include "core/register_kernel.h"

/// oneDNN as loaded, Highway as compiled.
ATTNBENCH_REGISTER_LIBRARIES(cpu_libraries) {
  const auto* onednn = dnnl_version();
  return {{"onednn", fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch)},
          {"highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)}};
}
