#pragma once

#include "run/protocol/process.h"

namespace attnbench::test {

/// Starts workers of the program under test, on one CPU, that know SimpleKernel and its faults. From now on
/// writing to one that crashed ends nothing, as in the program.
Program simple_worker();

}  // namespace attnbench::test
