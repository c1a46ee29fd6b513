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
    const std::int64_t team = omp_get_num_threads();
    for (std::int64_t part = omp_get_thread_num(); part < parts; part += team)
      body(context, part * count / parts, (part + 1) * count / parts, static_cast<int>(part));
  }
}

void ask_for_full_teams() { omp_set_dynamic(0); }

int most_threads() { return omp_get_max_active_levels() < 1 ? 1 : omp_get_thread_limit(); }

int team_size(int threads) {
  int size = 1;
#pragma omp parallel num_threads(threads)
  {
    if (omp_get_thread_num() == 0) size = omp_get_num_threads();
  }
  return size;
}

const char* parallel_backend() { return "openmp"; }

}  // namespace attnbench
