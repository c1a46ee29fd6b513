#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attnbench/device.h"

#pragma GCC visibility push(default)

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
  bool neon_bf16 = false;  ///< FEAT_BF16: bfmmla
  bool neon_fhm = false;   ///< FEAT_FHM: fmlal

  bool operator==(const CpuFeatures&) const = default;
};

/// Probes once; the AMX permission request happens here.
const CpuFeatures& cpu_features();
/// "sse4.2 avx2 avx512 avx512_bf16", for people.
std::string to_string(const CpuFeatures& features);

class CacheEvictor;

/// The host's CPUs: the logical CPUs that work may use and how many threads it runs.
class CpuDevice final : public Device {
 public:
  CpuDevice();
  CpuDevice(std::vector<int> cpus_to_use, int threads_to_run, const CpuFeatures& usable);
  ~CpuDevice() override;
  CpuDevice(const CpuDevice& other);
  CpuDevice& operator=(const CpuDevice& other);

  std::vector<int> cpus;
  int threads = 1;
  CpuFeatures features;

  std::string name() const override { return "cpu"; }
  /// Empty: the environment of a run says all about its CPUs.
  std::map<std::string, std::string> identity() const override { return {}; }
  std::unique_ptr<Queue> make_queue() const override;
  /// Each thread reads its share of a buffer of twice the last-level caches, which the first call allocates.
  void evict() override;
  /// Takes two to three seconds and 256 MiB (or twice the last-level cache, if that is more).
  Ceilings ceilings() const override;
  int host_threads() const override { return threads; }
  bool address_space_is_memory() const override { return true; }

 private:
  std::unique_ptr<CacheEvictor> evictor_;
};

/// The CPUs this process might run on when it started (or, for libattnbench.so, when it was loaded), in order
/// of number: a thread pool may have bound the first thread since.
std::vector<int> allowed_cpus();
/// A CPU device on the first `threads` allowed physical cores (then SMT siblings). 0: all physical cores, of
/// the fastest kind where the system tells kinds apart (performance cores, which come first).
/// Throws InputError if threads exceeds the allowed CPUs.
CpuDevice cpu_device(int threads);

}  // namespace attnbench

#pragma GCC visibility pop
