#include "engines/mlx/module/threads.h"

namespace attnbench::mlx {

// Accelerate chooses its threads itself. BLASSetThreading() would say "one" or "as many as you like", to the
// thread that calls it, and from macOS 15 on.
const Blas& blas() {
  static const Blas found = {"Accelerate",
                             "on macOS MLX's products on the CPU are Accelerate's, which chooses its threads "
                             "itself: mlx:gpu can be measured"};
  return found;
}

// Nothing is measured on the CPU, and a GPU needs no threads.
void use(const Place&) {}

}  // namespace attnbench::mlx
