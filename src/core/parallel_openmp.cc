#include <omp.h>

#include <algorithm>

#include "core/parallel.h"

namespace attnbench {

void parallel_ranges(int threads, std::int64_t count, RangeBody body, void* context) {
  const auto parts = std::min<std::int64_t>(threads, count);
  if (parts <= 1) {
    if (count > 0) body(context, 0, count, 0);
    return;
  }
  // Always the whole team, although some may have no part: libgomp ends and starts threads when the size of
  // the team changes from one region to the next, which on 16 cores made calls between oneDNN's products ten
  // times slower.
#pragma omp parallel num_threads(threads)
  {
    const std::int64_t part = omp_get_thread_num();
    if (part < parts) {
      body(context, part * count / parts, (part + 1) * count / parts, static_cast<int>(part));
    }
  }
}

const char* parallel_backend() { return "openmp"; }

}  // namespace attnbench
