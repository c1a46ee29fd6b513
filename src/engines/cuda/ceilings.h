#pragma once

#include "attnbench/ceilings.h"

namespace attnbench::cuda {

class CudaDevice;

/// See CudaDevice::ceilings().
Ceilings measure_ceilings(const CudaDevice& device);

}  // namespace attnbench::cuda
