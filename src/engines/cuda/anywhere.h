#pragma once

/// A function for host and device.
#ifdef __CUDACC__
#define ATTNBENCH_ANYWHERE __host__ __device__
#else
#define ATTNBENCH_ANYWHERE
#endif
