#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "attnbench/device.h"
#include "attnbench/kernel.h"
#include "engines/cuda/device_memory.h"

namespace attnbench::cuda {

/// A stream, in which calls run in order.
class CudaQueue final : public Queue {
 public:
  explicit CudaQueue(int device);
  ~CudaQueue() override;
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  void wait() override;
  cudaStream_t stream() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// One GPU, "cuda:0". All sizes are read off the device.
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int number);

  std::string name() const override;
  std::map<std::string, std::string> identity() const override;
  std::unique_ptr<Queue> make_queue() const override;
  std::int64_t free_bytes() const override;
  /// Writes twice the L2.
  void evict() override;
  /// Reads and copies of 16 MiB to 1 GiB, by kernels of the engine; products of 8192^3 by cuBLASLt, where it
  /// is there. Takes about a second.
  Ceilings ceilings() const override;
  /// By NVML: clocks, temperature, power, the mask of throttle reasons.
  std::map<std::string, double> probe() const override;

  int number() const { return number_; }
  int multiprocessors() const { return properties_.multiProcessorCount; }
  /// Makes it the calling thread's device.
  void use() const;

 private:
  int number_;
  cudaDeviceProp properties_{};
  std::string pci_bus_id_;
  DeviceMemory sweep_;
};

/// The device as this engine's, or null.
const CudaDevice* cuda_device(const Device& device);
/// Core scope, one element type, on this engine's device, sizes that fit its indices.
Support basic_support(const Problem& problem, const Device& device);

}  // namespace attnbench::cuda
