#include "core/ceilings.h"

#include <algorithm>

namespace attnbench {

double compute_ceiling_flops(const Ceilings& ceilings, DType dtype) {
  double greatest = 0;
  for (const auto& c : ceilings.compute) {
    if (c.dtype == DType::f32 || c.dtype == dtype) greatest = std::max(greatest, c.flops_per_second);
  }
  return greatest;
}

double bandwidth_ceiling(const Ceilings& ceilings, double bytes) {
  double greatest = 0;
  for (auto b = ceilings.bandwidth.rbegin(); b != ceilings.bandwidth.rend(); ++b) {
    greatest = std::max({greatest, b->read_bytes_per_second, b->copy_bytes_per_second});
    if (static_cast<double>(b->bytes) <= bytes) break;
  }
  return greatest;
}

}  // namespace attnbench
