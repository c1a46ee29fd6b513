#pragma once

#include <sys/types.h>

namespace attnbench {

/// Waits until no thread of the process but the caller computes, for a tenth of a second at most. Pools look
/// for more work for some milliseconds after their last, libgomp's as often as GOMP_SPINCOUNT says. Meanwhile
/// other threads for the same CPUs are held up: of two threads on two CPUs, OpenVINO's calls took 0.96 ms in
/// place of 0.5 after one of ours, and ONNX Runtime's 4.7 in place of 0.8 after those of another of its
/// sessions, whose pool was stopped while it looked.
void wait_until_quiet(pid_t process);

}  // namespace attnbench
