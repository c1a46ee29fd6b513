#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "attnbench/kernel.h"
#include "engines/cuda/binding.h"
#include "engines/cuda/cuda_device.h"

namespace attnbench::cuda {

/// An execution on a GPU. A kernel says in enqueue() what one call is; calls are captured in graphs, which
/// are replayed between two events of the stream: a call's time is the device's.
class CudaExecution : public Execution {
 public:
  CudaExecution(const Problem& problem, const Device& device);
  ~CudaExecution() override;
  CudaExecution(const CudaExecution&) = delete;
  CudaExecution& operator=(const CudaExecution&) = delete;

  std::unique_ptr<Binding> bind(const Tensors& host) final;
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) final;
  std::int64_t workspace_bytes() const override { return workspace_.bytes(); }
  Implementation implementation() const override { return {"", "it is compiled into this program"}; }

  /// Allocates the workspace. A kernel that only plans does without.
  virtual void allocate();
  /// Host-side plans for calls with so many keys, made when tensors are bound.
  virtual void plan(std::int64_t keys) { static_cast<void>(keys); }
  /// One call, on views of device memory. Launches only: it is captured.
  virtual void enqueue(const Tensors& tensors, cudaStream_t stream) = 0;

 protected:
  const Problem problem_;
  Workspace workspace_;
  const CudaDevice& device_;

 private:
  struct Graph {
    std::vector<std::uint64_t> bindings;  ///< serials, in the order of the calls
    std::int64_t calls = 0;
    cudaGraphExec_t executable = nullptr;
  };
  cudaGraphExec_t graph_of(std::span<Binding* const> bindings, std::int64_t calls, cudaStream_t stream);
  void forget_graphs();

  std::vector<Graph> graphs_;
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
  volatile int* open_ = nullptr;
  int ticket_ = 0;
};

}  // namespace attnbench::cuda
