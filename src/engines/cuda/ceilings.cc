#include "engines/cuda/ceilings.h"

#include <algorithm>

#include "engines/cuda/cublaslt.h"
#include "engines/cuda/cuda_device.h"
#include "engines/cuda/cuda_error.h"
#include "engines/cuda/matmul.h"
#include "engines/cuda/sweep.h"

namespace attnbench::cuda {
namespace {

/// The shortest of some timed launches, in seconds.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&start_), "cudaEventCreate");
    check(cudaEventCreate(&stop_), "cudaEventCreate");
  }
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  template <typename Launch>
  double shortest(int times, Launch launch) {
    launch();
    float best = 0;
    for (int n = 0; n < times; ++n) {
      check(cudaEventRecord(start_, stream_), "cudaEventRecord");
      launch();
      check(cudaEventRecord(stop_, stream_), "cudaEventRecord");
      check(cudaEventSynchronize(stop_), "cudaEventSynchronize");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
      if (n == 0 || milliseconds < best) best = milliseconds;
    }
    return double{best} * 1e-3;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
};

BandwidthCeiling bandwidth_over(std::int64_t bytes, const CudaDevice& device, Stopwatch& watch,
                                cudaStream_t stream) {
  constexpr std::int64_t kMoved = std::int64_t{4} << 30;
  const auto sweeps = static_cast<int>(std::max<std::int64_t>(kMoved / bytes, 2));
  const DeviceMemory memory(bytes);
  const DeviceMemory sink(4);
  check(launch_fill_random(memory.data(), bytes / 4, static_cast<int>(DType::f32), stream), "fill_random");
  const auto total = static_cast<double>(bytes) * sweeps;
  const double read = watch.shortest(3, [&] {
    check(launch_read_sweeps(memory.data(), bytes, sweeps, device.multiprocessors(), sink.data(), stream),
          "read_sweeps");
  });
  const double copy = watch.shortest(3, [&] {
    check(launch_copy_sweeps(memory.data(), bytes, sweeps, device.multiprocessors(), stream), "copy_sweeps");
  });
  return {bytes, total / read, total / copy};
}

ComputeCeiling product_rate(DType dtype, Stopwatch& watch, cudaStream_t stream) {
  constexpr std::int64_t kSize = 8192;
  Workspace workspace;
  Matmul matmul(workspace);
  const auto matrix = [&](DType type) { return workspace.reserve(kSize * kSize * size_bytes(type)); };
  const auto a = matrix(dtype), b = matrix(dtype), c = matrix(dtype);
  workspace.allocate();
  for (const auto operand : {a, b}) {
    check(launch_fill_random(workspace.at<void>(operand), kSize * kSize, static_cast<int>(dtype), stream),
          "fill_random");
  }
  const MatrixRows rows{kSize, kSize * kSize, false};
  const Product product{kSize, kSize, kSize, 1, dtype, dtype, rows, rows, rows, false};
  const double seconds = watch.shortest(dtype == DType::f32 ? 3 : 10, [&] {
    matmul.run(product, workspace.at<void>(a), workspace.at<void>(b), workspace.at<void>(c), stream);
  });
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return {"product", "cublaslt", dtype, 2.0 * kSize * kSize * kSize / seconds};
}

}  // namespace

Ceilings measure_ceilings(const CudaDevice& device) {
  const CudaQueue queue(device.number());
  Stopwatch watch(queue.stream());
  Ceilings ceilings;
  ceilings.threads = 1;
  for (const int mebibytes : {16, 32, 128, 1024}) {
    ceilings.bandwidth.push_back(
        bandwidth_over(std::int64_t{mebibytes} << 20, device, watch, queue.stream()));
  }
  if (!cublaslt().why_missing.empty()) return ceilings;
  for (const auto dtype : kDTypes) ceilings.compute.push_back(product_rate(dtype, watch, queue.stream()));
  return ceilings;
}

}  // namespace attnbench::cuda
