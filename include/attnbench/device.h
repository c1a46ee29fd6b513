#pragma once

#include <string>
#include <vector>

namespace attnbench {

/// Instruction sets the CPU has and the operating system lets this process use.
struct CpuFeatures {
  bool sse42 = false;
  bool avx2 = false;    ///< with FMA and F16C
  bool avx512 = false;  ///< F, BW, DQ, VL, CD
  bool avx512_bf16 = false;
  bool avx512_fp16 = false;
  bool amx_bf16 = false;  ///< tiles permitted (arch_prctl ARCH_REQ_XCOMP_PERM) in this process
  bool neon = false;

  bool operator==(const CpuFeatures&) const = default;
};

/// Probes once; the AMX permission request happens here.
const CpuFeatures& cpu_features();
/// "sse4.2 avx2 avx512 avx512_bf16", for people.
std::string to_string(const CpuFeatures& features);

/// Where work runs. For a CPU: the logical CPUs it may use and how many threads it runs.
struct Device {
  std::string name = "cpu";
  std::vector<int> cpus;
  int threads = 1;
  CpuFeatures features;
};

/// The CPUs this process might run on when it started, in order of number: a thread pool may have bound the
/// first thread since.
std::vector<int> allowed_cpus();
/// A CPU device on the first `threads` allowed physical cores (then SMT siblings). 0: all physical cores.
/// Throws InputError if threads exceeds the allowed CPUs.
Device cpu_device(int threads);

}  // namespace attnbench
