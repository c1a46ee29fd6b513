#include "run/external/kernel_worker.h"

#include <cstddef>

#include "run/external/external_kernel.h"
#include "run/external/load.h"

namespace attnbench {

std::string program_of(const KernelInfo& kernel) {
  const auto* external = dynamic_cast<const ExternalKernel*>(&kernel);
  return external == nullptr ? std::string() : external->program();
}

Program worker_for(const KernelInfo& kernel, Program worker) {
  const auto own = program_of(kernel);
  auto& words = worker.words;
  for (std::size_t n = 0; n + 1 < words.size();) {
    const bool is_other = words[n] == "--plugin" && is_engine_program(words[n + 1]) && words[n + 1] != own;
    if (is_other) {
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(n),
                  words.begin() + static_cast<std::ptrdiff_t>(n + 2));
    } else {
      ++n;
    }
  }
  return worker;
}

}  // namespace attnbench
