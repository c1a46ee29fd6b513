#include <algorithm>

#include "core/parallel.h"

namespace attnbench {

void parallel_ranges(int threads, std::int64_t count, RangeBody body, void* context) {
  const auto parts = std::min<std::int64_t>(threads, count);
  if (parts <= 1) {
    if (count > 0) body(context, 0, count, 0);
    return;
  }
#pragma omp parallel for schedule(static, 1) num_threads(static_cast<int>(parts))
  for (std::int64_t part = 0; part < parts; ++part) {
    body(context, part * count / parts, (part + 1) * count / parts, static_cast<int>(part));
  }
}

const char* parallel_backend() { return "openmp"; }

}  // namespace attnbench
