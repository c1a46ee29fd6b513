#include "engines/ggml/module/graph.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <stdexcept>

namespace attnbench::ggml {
namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::size_t kMostTensors = 32;

ggml_type type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return GGML_TYPE_F32;
    case DType::bf16:
      return GGML_TYPE_BF16;
    case DType::f16:
      return GGML_TYPE_F16;
  }
  throw std::logic_error("an element type without a name in ggml");
}

std::int64_t seeing(const Problem& problem, std::int64_t keys) {
  return std::min(problem.shape.seqlen_q, keys);
}

/// Whether both have the same elements at the same places.
bool lie_alike(const ggml_tensor* a, const ggml_tensor* b) {
  for (int n = 0; n < GGML_MAX_DIMS; ++n) {
    if (a->ne[n] != b->ne[n] || (a->ne[n] > 1 && a->nb[n] != b->nb[n])) return false;
  }
  return a->type == b->type;
}

}  // namespace

std::int64_t bytes_of(DType dtype) { return static_cast<std::int64_t>(ggml_type_size(type_of(dtype))); }

std::byte* row_of(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t row) {
  const auto element = batch * view.strides[0] + head * view.strides[1] + row * view.strides[2];
  return static_cast<std::byte*>(view.data) + element * bytes_of(view.dtype);
}

std::int64_t mask_bytes(const Problem& problem, std::int64_t keys) {
  const bool masked = problem.mechanism.causal_bottom_right || problem.mechanism.kind == MechanismKind::swa;
  if (!masked) return 0;
  return seeing(problem, keys) * keys * static_cast<std::int64_t>(sizeof(ggml_fp16_t));
}

Mask make_mask(const Problem& problem, std::int64_t keys, const Services& services) {
  if (mask_bytes(problem, keys) == 0) return {};
  const auto queries = seeing(problem, keys);
  Mask mask(static_cast<std::size_t>(queries * keys),
            ggml_fp32_to_fp16(-std::numeric_limits<float>::infinity()));
  bool hides = false;
  for (std::int64_t row = 0; row < queries; ++row) {
    const auto allowed = services.allowed_keys(problem.mechanism, keys - queries + row, keys);
    const auto start = mask.begin() + row * keys;
    std::fill(start + allowed.globals.begin, start + allowed.globals.begin + allowed.globals.size(), 0);
    std::fill(start + allowed.local.begin, start + allowed.local.begin + allowed.local.size(), 0);
    hides = hides || allowed.size() < keys;
  }
  return hides ? mask : Mask{};
}

Graph::Graph(Form form, const Problem& problem, const Tensors& tensors, const Mask& mask, std::byte* memory)
    : memory_(memory) {
  context_.reset(
      ggml_init({ggml_tensor_overhead() * kMostTensors + ggml_graph_overhead_custom(kMostTensors, false),
                 nullptr, true}));
  auto* context = context_.get();
  graph_ = ggml_new_graph_custom(context, kMostTensors, false);

  const auto keys = tensors[Role::k].sizes[2];
  const auto queries = seeing(problem, keys);
  const auto unseen = problem.shape.seqlen_q - queries;
  const auto scale = static_cast<float>(problem.shape.softmax_scale);
  auto* q = as(of_host(tensors[Role::q], unseen), GGML_TYPE_F32);
  auto* k = of_host(tensors[Role::k], 0);
  auto* v = of_host(tensors[Role::v], 0);
  auto* o = of_host(tensors[Role::o], unseen);
  auto* hidden = of_mask(mask, queries, keys);
  if (form == Form::unfused) {
    auto* scores = own(ggml_mul_mat(context, k, q));
    auto* weights = ggml_soft_max_ext_inplace(context, scores, hidden, scale, 0);
    auto* columns = own(ggml_cont(context, transposed(v)));
    finish(ggml_mul_mat(context, columns, weights), true, o);
    return;
  }
  auto* result = ggml_flash_attn_ext(context, q, k, v, hidden, scale, 0, 0);
  finish(result, false, o);
}

ggml_tensor* Graph::own(ggml_tensor* tensor) {
  if (memory_ != nullptr) tensor->data = memory_ + taken_;
  taken_ += (static_cast<std::int64_t>(ggml_nbytes(tensor)) + kAlignment - 1) / kAlignment * kAlignment;
  return tensor;
}

/// (head_dim, rows, heads, batch), as ggml orders sizes.
ggml_tensor* Graph::of_host(const TensorView& view, std::int64_t first_row) const {
  const auto& n = view.sizes;
  auto* tensor = ggml_new_tensor_4d(context_.get(), type_of(view.dtype), n[3], n[2] - first_row, n[1], n[0]);
  for (int dimension = 1; dimension < GGML_MAX_DIMS; ++dimension)
    tensor->nb[dimension] = static_cast<std::size_t>(view.strides[static_cast<std::size_t>(3 - dimension)] *
                                                     bytes_of(view.dtype));
  if (memory_ != nullptr) tensor->data = row_of(view, 0, 0, first_row);
  return tensor;
}

/// (Not ggml_transpose(): a view of ggml's must be no larger than what it views, which heads that share
/// memory are.)
ggml_tensor* Graph::transposed(const ggml_tensor* matrix) const {
  const auto& n = matrix->ne;
  auto* tensor = ggml_new_tensor_4d(context_.get(), matrix->type, n[1], n[0], n[2], n[3]);
  const std::size_t strides[] = {matrix->nb[1], matrix->nb[0], matrix->nb[2], matrix->nb[3]};
  std::copy(std::begin(strides), std::end(strides), tensor->nb);
  tensor->data = matrix->data;
  return tensor;
}

ggml_tensor* Graph::as(ggml_tensor* tensor, ggml_type type) {
  return tensor->type == type ? tensor : own(ggml_cast(context_.get(), tensor, type));
}

ggml_tensor* Graph::of_mask(const Mask& mask, std::int64_t queries, std::int64_t keys) const {
  if (mask.empty()) return nullptr;
  auto* tensor = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F16, keys, queries);
  tensor->data = const_cast<ggml_fp16_t*>(mask.data());
  return tensor;
}

void Graph::finish(ggml_tensor* result, bool heads_first, ggml_tensor* o) {
  auto* in_order = [&] {
    auto* view = heads_first ? result : ggml_permute(context_.get(), result, 0, 2, 1, 3);
    if (memory_ != nullptr && lie_alike(view, o)) {
      result->data = o->data;
      return result;
    }
    own(result);
    view->data = result->data;
    return ggml_cpy(context_.get(), view, o);
  }();
  ggml_build_forward_expand(graph_, in_order);
}

std::string Graph::operations() const {
  std::string names;
  for (int n = 0; n < ggml_graph_n_nodes(graph_); ++n) {
    const auto op = ggml_graph_node(graph_, n)->op;
    const bool computes = op == GGML_OP_FLASH_ATTN_EXT || op == GGML_OP_MUL_MAT || op == GGML_OP_SOFT_MAX;
    if (computes) names += (names.empty() ? "" : ", ") + std::string(ggml_op_name(op));
  }
  return names;
}

}  // namespace attnbench::ggml
