#include "engines/cuda/execution.h"

#include "engines/cuda/cuda_error.h"
#include "engines/cuda/gate.h"

namespace attnbench::cuda {
namespace {

/// So many that the launch of a graph is nothing beside its calls, so few that capturing them takes no time.
constexpr std::int64_t kCallsOfGraph = 32;
constexpr std::size_t kMostGraphs = 16;

const CudaBinding& as_cuda(const Binding* binding) { return *static_cast<const CudaBinding*>(binding); }

}  // namespace

CudaExecution::CudaExecution(const Problem& problem, const Device& device)
    : problem_(problem), device_(*cuda_device(device)) {}

CudaExecution::~CudaExecution() {
  cudaSetDevice(device_.number());
  forget_graphs();
  if (start_ != nullptr) cudaEventDestroy(start_);
  if (stop_ != nullptr) cudaEventDestroy(stop_);
  if (open_ != nullptr) cudaFreeHost(const_cast<int*>(open_));
}

void CudaExecution::allocate() {
  device_.use();
  workspace_.allocate();
  check(cudaEventCreate(&start_), "cudaEventCreate");
  check(cudaEventCreate(&stop_), "cudaEventCreate");
  void* open = nullptr;
  check(cudaHostAlloc(&open, sizeof(int), cudaHostAllocMapped), "cudaHostAlloc");
  open_ = static_cast<int*>(open);
  *open_ = 0;
}

std::unique_ptr<Binding> CudaExecution::bind(const Tensors& host) {
  device_.use();
  plan(host[Role::k].sizes[2]);
  return std::make_unique<CudaBinding>(problem_, host, device_.number());
}

Timing CudaExecution::time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) {
  device_.use();
  const auto stream = static_cast<CudaQueue&>(queue).stream();
  // A graph ends where the bindings begin again.
  const auto turn = static_cast<std::int64_t>(bindings.size());
  const auto calls = (kCallsOfGraph + turn - 1) / turn * turn;
  if (graphs_.size() + 2 > kMostGraphs) forget_graphs();
  const auto whole = runs >= calls ? graph_of(bindings, calls, stream) : nullptr;
  const auto rest = runs % calls > 0 ? graph_of(bindings, runs % calls, stream) : nullptr;

  check(launch_gate(open_, ++ticket_, stream), "gate");
  check(cudaEventRecord(start_, stream), "cudaEventRecord");
  for (std::int64_t run = 0; run + calls <= runs; run += calls) {
    check(cudaGraphLaunch(whole, stream), "cudaGraphLaunch");
    *open_ = ticket_;
  }
  if (rest != nullptr) check(cudaGraphLaunch(rest, stream), "cudaGraphLaunch");
  check(cudaEventRecord(stop_, stream), "cudaEventRecord");
  *open_ = ticket_;
  check(cudaEventSynchronize(stop_), "cudaEventSynchronize after its calls");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
  return {double{milliseconds} * 1e-3, runs};
}

cudaGraphExec_t CudaExecution::graph_of(std::span<Binding* const> bindings, std::int64_t calls,
                                        cudaStream_t stream) {
  std::vector<std::uint64_t> serials;
  for (const auto* binding : bindings) serials.push_back(as_cuda(binding).serial());
  for (const auto& graph : graphs_) {
    if (graph.calls == calls && graph.bindings == serials) return graph.executable;
  }
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  cudaGraph_t graph = nullptr;
  try {
    for (std::int64_t call = 0; call < calls; ++call) {
      enqueue(as_cuda(bindings[static_cast<std::size_t>(call) % bindings.size()]).tensors(), stream);
    }
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const auto error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "cudaGraphInstantiate");
  graphs_.push_back({serials, calls, executable});
  check(cudaGraphUpload(executable, stream), "cudaGraphUpload");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return executable;
}

void CudaExecution::forget_graphs() {
  for (const auto& graph : graphs_) cudaGraphExecDestroy(graph.executable);
  graphs_.clear();
}

}  // namespace attnbench::cuda
