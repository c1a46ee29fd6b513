/// `sdpa`: attention by cuDNN's own operation.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/register_kernel.h"
#include "engines/cuda/cuda_error.h"
#include "engines/cuda/execution.h"
#include "engines/cudnn/library.h"
#include "engines/cudnn/sdpa_graph.h"

namespace attnbench::cudnn {
namespace {

class SdpaExecution final : public cuda::CudaExecution {
 public:
  SdpaExecution(const Problem& problem, const Device& device) : CudaExecution(problem, device) {
    device_.use();
    handle_ = std::make_unique<Handle>();
    auto planned = planned_for(problem.shape.seqlen_kv);
    workspace_.reserve(planned.graph->workspace_bytes());
    plan_name_ = planned.graph->plan_name();
    plans_.emplace(problem.shape.seqlen_kv, std::move(planned));
  }
  ~SdpaExecution() override { cudaSetDevice(device_.number()); }  // where handle and memory lie

  Implementation implementation() const override {
    return {"", fmt::format("cuDNN {} named its plan: {}", library().version, plan_name_)};
  }

  void plan(std::int64_t keys) override {
    if (plans_.contains(keys)) return;
    auto planned = planned_for(keys);
    const auto bytes = planned.graph->workspace_bytes();
    if (bytes > workspace_.bytes()) planned.memory = cuda::DeviceMemory(bytes);
    plans_.emplace(keys, std::move(planned));
  }

  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto keys = t[Role::k].sizes[2];
    const auto& planned = plans_.at(keys);
    const auto& q = t[Role::q];
    const auto& o = t[Role::o];
    const auto unseeing = std::max<std::int64_t>(problem_.shape.seqlen_q - keys, 0);
    if (unseeing > 0) zero_first_rows(o, unseeing, stream);
    void* workspace = planned.memory.data() != nullptr ? planned.memory.data() : workspace_.at<void>(0);
    planned.graph->run(*handle_, q.row_bytes(0, 0, unseeing), t[Role::k].data, t[Role::v].data,
                       o.row_bytes(0, 0, unseeing), workspace, stream);
    plan_name_ = planned.graph->plan_name();
  }

 private:
  struct Planned {
    std::unique_ptr<SdpaGraph> graph;
    cuda::DeviceMemory memory;  ///< where fewer keys need more workspace than all
  };

  Planned planned_for(std::int64_t keys) const {
    Planned planned;
    planned.graph = std::make_unique<SdpaGraph>(problem_, keys);
    planned.graph->plan(*handle_);
    return planned;
  }

  /// Of every head; o is dense.
  void zero_first_rows(const TensorView& o, std::int64_t rows, cudaStream_t stream) const {
    const auto heads_outside = problem_.shape.layout == Layout::bhsd;
    const auto pitch = (heads_outside ? o.strides[1] : o.strides[0]) * size_bytes(o.dtype);
    const auto width = rows * o.strides[2] * size_bytes(o.dtype);
    const auto count = heads_outside ? o.sizes[0] * o.sizes[1] : o.sizes[0];
    cuda::check(cudaMemset2DAsync(o.data, static_cast<std::size_t>(pitch), 0, static_cast<std::size_t>(width),
                                  static_cast<std::size_t>(count), stream),
                "cudaMemset2DAsync");
  }

  std::unique_ptr<Handle> handle_;
  std::map<std::int64_t, Planned> plans_;  ///< by the keys of a call; before the handle they belong to goes
  std::string plan_name_;                  ///< of the last call
};

/// What cuDNN says to a problem on a device.
struct Answer {
  std::string why_not;
  std::int64_t workspace_bytes = 0;
};

/// Asked of cuDNN once: an answer is a plan built.
Answer answer_to(const Problem& problem, const Device& device) {
  static std::mutex mutex;
  static std::vector<std::pair<std::pair<Problem, int>, Answer>> answers;
  const std::lock_guard lock(mutex);
  const std::pair key(problem, cuda::cuda_device(device)->number());
  for (const auto& [asked, answer] : answers) {
    if (asked == key) return answer;
  }
  Answer answer;
  try {
    answer.workspace_bytes = SdpaExecution(problem, device).workspace_bytes();
  } catch (const std::exception& error) {
    answer.why_not = error.what();
  }
  answers.emplace_back(key, answer);
  return answer;
}

class Sdpa final : public KernelInfo {
 public:
  std::string_view kernel() const override { return "sdpa"; }
  std::string_view engine() const override { return "cudnn"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa};
  }
  /// cuDNN would, by another plan than that of a call that needs none.
  bool computes_lse() const override { return false; }
  Support supports(const Problem& problem, const Device& device) const override {
    if (auto support = cuda::basic_support(problem, device); !support) return support;
    if (auto support = problem_support(problem); !support) return support;
    if (const auto& why = library().why_missing; !why.empty()) return Support::no(why);
    if (auto why = answer_to(problem, device).why_not; !why.empty()) return Support::no(std::move(why));
    return Support::yes();
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override {
    auto execution = std::make_unique<SdpaExecution>(problem, device);
    execution->allocate();
    return execution;
  }
  /// cuDNN does not tell its tiles: these are the pairs that no tiling can leave out.
  double executed_flops(const Problem& problem) const override { return work(problem).useful_flops; }
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const override {
    return answer_to(problem, device).workspace_bytes;
  }
};

}  // namespace
}  // namespace attnbench::cudnn

ATTNBENCH_REGISTER_KERNEL(cudnn_sdpa) {
  static const attnbench::cudnn::Sdpa kernel;
  return kernel;
}

ATTNBENCH_REGISTER_LIBRARIES(cudnn_libraries) { return attnbench::cudnn::libraries(); }
