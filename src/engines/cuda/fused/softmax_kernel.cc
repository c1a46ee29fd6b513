/// Softmax attention in one launch for every mask, and one more where parts are merged: `fused` of the
/// softmax mechanisms. The rows of a GQA group are packed, so that K and V are read once for all of them; the
/// keys of few rows are split over thread blocks.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/register_kernel.h"
#include "engines/cuda/cuda_error.h"
#include "engines/cuda/cuda_kernel.h"
#include "engines/cuda/execution.h"
#include "engines/cuda/fused/seen_rows.h"
#include "engines/cuda/fused/softmax.h"
#include "engines/cuda/fused/softmax_persistent.h"
#include "engines/cuda/fused/softmax_wide.h"
#include "engines/cuda/fused/tensor_map.h"

namespace attnbench::cuda {
namespace {

class SoftmaxExecution final : public CudaExecution {
 public:
  SoftmaxExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device),
        form_(softmax_form(problem)),
        blocks_(softmax_blocks(form_, problem,
                               softmax_slots(form_, problem.shape.dtype_q, problem.shape.head_dim_qk,
                                             device_.multiprocessors()))) {
    const auto& s = problem.shape;
    const auto list = list_for(s.seqlen_kv);
    if (form_.wide) return;
    // Fewer keys never need more parts than there are blocks at once, or than the longest calls need; global
    // queries may then be a unit that they are not of more keys.
    const auto kv_heads = problem.mechanism.num_kv_heads;
    const auto units = list.units + s.batch;
    most_parts_ = std::max<std::int64_t>(list.parts, blocks_.slots / kv_heads + units) * kv_heads;
    values_ = workspace_.reserve(most_parts_ * form_.rows() * s.head_dim_v * 4);
    sums_ = workspace_.reserve(most_parts_ * form_.rows() * 8);
  }

  void allocate() override {
    CudaExecution::allocate();
    plan(problem_.shape.seqlen_kv);
  }

 protected:
  void plan(std::int64_t keys) override {
    auto& planned = plans_[keys];
    if (planned.count > 0) return;
    const auto list = list_for(keys);
    if (list.parts * problem_.mechanism.num_kv_heads > most_parts_)
      throw std::runtime_error(
          fmt::format("{} keys need more parts than {} do", keys, problem_.shape.seqlen_kv));
    const auto bytes = static_cast<std::int64_t>(list.items.size() * sizeof(WorkItem));
    planned.items = DeviceMemory(bytes);
    check(cudaMemcpy(planned.items.data(), list.items.data(), static_cast<std::size_t>(bytes),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy of the work list");
    planned.count = static_cast<std::int32_t>(list.items.size());
    plan_merging(planned, list);
  }

  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& planned = plans_.at(t[Role::k].sizes[2]);
    SoftmaxCall call;
    call.q = strided(t[Role::q]);
    call.k = strided(t[Role::k]);
    call.v = strided(t[Role::v]);
    call.o = strided(t[Role::o]);
    call.lse = strided(t[Role::lse]);
    call.items = static_cast<const WorkItem*>(planned.items.data());
    call.item_count = planned.count;
    call.kv_heads = static_cast<std::int32_t>(problem_.mechanism.num_kv_heads);
    call.group = static_cast<std::int32_t>(problem_.shape.num_q_heads / problem_.mechanism.num_kv_heads);
    call.mask = mask_of(problem_.mechanism);
    call.scale = static_cast<float>(problem_.shape.softmax_scale);
    call.part_values = workspace_.at<float>(values_);
    call.part_sums = workspace_.at<float2>(sums_);
    if (!form_.mapped()) {
      check(launch_softmax(call, form_, planned.split, stream), "fused softmax");
      return;
    }
    const auto batch = static_cast<std::int32_t>(problem_.shape.batch);
    const auto k = keys_map(call.k, batch, blocks_.tile_keys), v = keys_map(call.v, batch, blocks_.tile_keys);
    if (form_.wide) {
      check(launch_softmax_wide(call, k, v, stream), "fused softmax");
    } else {
      const auto q = rows_map(call.q, batch, call.group), o = rows_map(call.o, batch, call.group);
      check(launch_softmax_persistent(call, form_, {q, k, v, o}, planned.split, device_.multiprocessors(),
                                      stream),
            "fused softmax");
    }
  }

 private:
  struct Planned {
    DeviceMemory items, split_items;
    std::int32_t count = 0;
    SplitUnits split;
  };

  static void plan_merging(Planned& planned, const WorkList& list) {
    std::vector<WorkItem> units;
    for (const auto& item : list.items) {
      if (item.parts == 1 || item.part > 0) continue;
      units.push_back(item);
      planned.split.rows = std::max(planned.split.rows, item.end_row - item.first_row);
    }
    if (units.empty()) return;
    const auto bytes = static_cast<std::int64_t>(units.size() * sizeof(WorkItem));
    planned.split_items = DeviceMemory(bytes);
    check(cudaMemcpy(planned.split_items.data(), units.data(), static_cast<std::size_t>(bytes),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy of the split units");
    planned.split.items = static_cast<const WorkItem*>(planned.split_items.data());
    planned.split.count = static_cast<std::int32_t>(units.size());
  }

  WorkList list_for(std::int64_t keys) const { return make_work_list(problem_, keys, blocks_); }

  SoftmaxForm form_;
  Blocks blocks_;
  std::int64_t most_parts_ = 0, values_ = 0, sums_ = 0;
  std::map<std::int64_t, Planned> plans_;  ///< by the keys of a call
};

class Softmax final : public CudaKernel<SoftmaxExecution> {
 public:
  std::string_view kernel() const override { return "fused"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa,
            MechanismKind::block_sparse};
  }
  Support core_supports(const Problem& problem, const Device& device) const override {
    if (auto support = basic_support(problem, device); !support) return support;
    const auto& s = problem.shape;
    if (s.dtype_q == DType::f32) return Support::no("bf16 and f16 only");
    if (s.head_dim_qk != s.head_dim_v || (s.head_dim_qk != 64 && s.head_dim_qk != 128))
      return Support::no(
          fmt::format("head_dim {} and {}: 64 or 128 for both only", s.head_dim_qk, s.head_dim_v));
    return Support::yes();
  }
  double core_flops(const Problem& problem) const override {
    const auto form = softmax_form(problem);
    Blocks blocks;
    blocks.rows = form.rows();
    blocks.tile_keys = form.tile_keys;
    blocks.split = false;  // it changes no tile
    std::int64_t tile_rows = 0;
    for (const auto& item : make_work_list(problem, problem.shape.seqlen_kv, blocks).items)
      tile_rows += form.groups > 0 ? shown_tile_rows(problem, form, item) : item.tiles() * form.rows();
    return 2.0 * static_cast<double>(problem.shape.head_dim_qk + problem.shape.head_dim_v) *
           static_cast<double>(tile_rows * blocks.tile_keys * problem.mechanism.num_kv_heads);
  }

 private:
  /// Warpgroups leave out tiles that none of their rows sees.
  static std::int64_t shown_tile_rows(const Problem& problem, const SoftmaxForm& form, const WorkItem& item) {
    const auto queries = static_cast<std::int32_t>(problem.shape.seqlen_q);
    const auto group = static_cast<std::int32_t>(problem.shape.num_q_heads / problem.mechanism.num_kv_heads);
    const auto globals = item.global_tiles();
    const auto base = item.first_row / form.rows() * form.rows();
    std::int64_t shown = 0;
    for (auto row = base; row < base + form.rows(); row += 64) {
      const auto seen = seen_by_rows(item, mask_of(problem.mechanism), queries, group, row, row + 63);
      for (std::int32_t tile = 0; tile < item.tiles(); ++tile) {
        const auto first = tile < globals ? item.global_begin + tile * form.tile_keys
                                          : item.begin + (tile - globals) * form.tile_keys;
        shown += seen.any(tile < globals, first, form.tile_keys);
      }
    }
    return shown * 64;
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_fused_softmax) {
  static const attnbench::cuda::Softmax kernel;
  return kernel;
}
