#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnbench/dtype.h"

#pragma GCC visibility push(default)

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

/// What a device can do at most, as measured: what no kernel can exceed. An empty list: not known.
struct Ceilings {
  int threads = 0;
  std::vector<ComputeCeiling> compute;
  std::vector<BandwidthCeiling> bandwidth;  ///< by rising bytes
};

}  // namespace attnbench

#pragma GCC visibility pop
