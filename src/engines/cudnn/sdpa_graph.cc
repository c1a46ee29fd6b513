#include "engines/cudnn/sdpa_graph.h"

// cuDNN by dlsym, and none of the frontend's copy of a JSON library, which the program has in another
// version.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "attnbench/error.h"
#include "attnbench/tensor.h"
#include "engines/cudnn/library.h"

namespace attnbench::cudnn {
namespace {

namespace fe = ::cudnn_frontend;

constexpr std::int64_t kQ = 1, kK = 2, kV = 3, kO = 4;

cudnnHandle_t raw(const Handle& handle) { return static_cast<cudnnHandle_t>(handle.get()); }

/// One line, whatever the library made of it.
[[noreturn]] void refuse(std::string_view step, std::string reason) {
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  throw std::runtime_error(fmt::format("cuDNN {}, {}: {}", library().version, step, reason));
}

void require(cudnnStatus_t status, std::string_view call) {
  if (status != CUDNN_STATUS_SUCCESS) refuse(call, fe::detail::get_error_string(status));
}

void require(fe::error_t error, std::string_view step) {
  if (error.is_bad()) refuse(step, error.get_message());
}

fe::DataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return fe::DataType_t::FLOAT;
    case DType::bf16:
      return fe::DataType_t::BFLOAT16;
    case DType::f16:
      return fe::DataType_t::HALF;
  }
  no_such_dtype(dtype);
}

}  // namespace

Handle::Handle() {
  cudnnHandle_t handle = nullptr;
  require(fe::detail::create_handle(&handle), "cudnnCreate");
  handle_ = handle;
}

Handle::~Handle() { fe::detail::destroy_handle(raw(*this)); }

struct SdpaGraph::State {
  fe::graph::Graph graph;
  std::int64_t workspace_bytes = 0;
  std::string plan_name;
};

SdpaGraph::SdpaGraph(const Problem& problem, std::int64_t keys) : state_(std::make_unique<State>()) {
  const auto& s = problem.shape;
  const auto queries = std::min(s.seqlen_q, keys);
  auto& graph = state_->graph;
  graph.set_io_data_type(type_of(s.dtype_q))
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  // Of every device of engine cuda; not told, the frontend looks for a CUDA runtime of its own to ask.
  graph.set_sm_version(90);
  const auto describe = [&](auto& tensor, std::int64_t uid, std::int64_t heads, std::int64_t rows,
                            std::int64_t all_rows, std::int64_t width) {
    const auto strides = dense_view(nullptr, s.dtype_q, s.layout, s.batch, heads, all_rows, width).strides;
    tensor.set_uid(uid)
        .set_dim({s.batch, heads, rows, width})
        .set_stride({strides[0], strides[1], strides[2], strides[3]})
        .set_data_type(type_of(s.dtype_q));
  };
  const auto input = [&](const char* name, auto... described) {
    fe::graph::Tensor_attributes tensor;
    tensor.set_name(name);
    describe(tensor, described...);
    return graph.tensor(tensor);
  };
  const auto kv_heads = problem.mechanism.num_kv_heads;
  const auto q = input("q", kQ, s.num_q_heads, queries, s.seqlen_q, s.head_dim_qk);
  const auto k = input("k", kK, kv_heads, keys, keys, s.head_dim_qk);
  const auto v = input("v", kV, kv_heads, keys, keys, s.head_dim_v);
  fe::graph::SDPA_attributes attributes;
  attributes.set_name("sdpa").set_generate_stats(false).set_attn_scale(static_cast<float>(s.softmax_scale));
  const auto band = band_of(problem.mechanism, queries, keys);
  // The same band where they are as many; then the form that all versions of cuDNN have.
  attributes.set_diagonal_alignment(band == Band{} || queries == keys
                                        ? fe::DiagonalAlignment_t::TOP_LEFT
                                        : fe::DiagonalAlignment_t::BOTTOM_RIGHT);
  if (band.left >= 0) attributes.set_diagonal_band_left_bound(static_cast<int>(band.left));
  if (band.right >= 0) attributes.set_diagonal_band_right_bound(static_cast<int>(band.right));
  const auto outputs = graph.sdpa(q, k, v, attributes);
  outputs[0]->set_output(true);
  describe(*outputs[0], kO, s.num_q_heads, queries, s.seqlen_q, s.head_dim_v);
  require(graph.validate(), "its frontend refuses");
}

SdpaGraph::~SdpaGraph() = default;

void SdpaGraph::plan(const Handle& handle) {
  auto& graph = state_->graph;
  require(graph.build_operation_graph(raw(handle)), "no such operation");
  require(graph.create_execution_plans({fe::HeurMode_t::A}), "no plan proposed");
  require(graph.check_support(), "no plan for this shape");
  require(graph.build_plans(), "plan not built");
  require(graph.get_workspace_size(state_->workspace_bytes), "workspace unknown");
  require(graph.get_plan_name(state_->plan_name), "plan without a name");
}

std::int64_t SdpaGraph::workspace_bytes() const { return state_->workspace_bytes; }
const std::string& SdpaGraph::plan_name() const { return state_->plan_name; }

void SdpaGraph::run(const Handle& handle, void* q, void* k, void* v, void* o, void* workspace,
                    CUstream_st* stream) const {
  require(fe::detail::set_stream(raw(handle), stream), "cudnnSetStream");
  std::unordered_map<std::int64_t, void*> tensors{{kQ, q}, {kK, k}, {kV, v}, {kO, o}};
  require(state_->graph.execute(raw(handle), tensors, workspace), "execution");
}

}  // namespace attnbench::cudnn
