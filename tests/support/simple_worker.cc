#include "support/simple_worker.h"

#include "io/standard_streams.h"
#include "support/command.h"

namespace attnbench::test {

Program simple_worker() {
  keep_standard_streams();
  return {
      .words = {testing_support::program(), "worker", "--cpus", "0", "--plugin", ATTNBENCH_SIMPLE_KERNELS}};
}

}  // namespace attnbench::test
