#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnbench/dtype.h"

namespace attnbench {

/// The greatest rate one kind of instruction reached.
struct ComputeCeiling {
  std::string unit;          ///< "fma", "mul+add", "vdpbf16ps", "tdpbf16ps"
  std::string path;          ///< "avx512", "avx2", "sse", "amx", ...
  DType dtype = DType::f32;  ///< of its operands
  double flops_per_second = 0;
};

/// The greatest rates over one working set, split over the threads and swept again and again.
struct BandwidthCeiling {
  std::int64_t bytes = 0;  ///< the working set: what is read, or source and target of the copy together
  double read_bytes_per_second = 0;
  double copy_bytes_per_second = 0;  ///< bytes read plus bytes written
};

/// What this machine can do at most with that many threads, as measured: what no kernel can exceed.
struct Ceilings {
  int threads = 0;
  std::vector<ComputeCeiling> compute;
  std::vector<BandwidthCeiling> bandwidth;  ///< by rising bytes
};

/// The fastest unit that a kernel of this element type may use. bf16 may widen and use f32 units; f16 has no
/// unit of its own here. 0 if none was measured.
double compute_ceiling_flops(const Ceilings& ceilings, DType dtype);

/// The highest rate measured over as many bytes: over the largest working set that is not larger than `bytes`
/// (where caches serve at least as well), or any larger one should that have been faster. Never too low.
double bandwidth_ceiling(const Ceilings& ceilings, double bytes);

}  // namespace attnbench
