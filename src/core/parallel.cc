#include "core/parallel.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "attnbench/error.h"

namespace attnbench {

void require_threads(int threads, int granted) {
  if (granted >= threads) return;
  std::vector<std::string> set;
  for (const auto* name : {"OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS"}) {
    if (const auto* value = std::getenv(name)) set.push_back(fmt::format("{}={}", name, value));
  }
  throw InputError(
      "threads", std::to_string(threads),
      fmt::format("is more than the {} that the {} pool gives this process{}: {}ask for --threads {}",
                  granted, parallel_backend(), set.empty() ? "" : fmt::format(" ({})", fmt::join(set, ", ")),
                  set.empty() ? "" : "unset it, or ", granted));
}

}  // namespace attnbench
