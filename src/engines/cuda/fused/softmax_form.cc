#include <algorithm>

#include "engines/cuda/fused/softmax.h"
#include "engines/cuda/fused/softmax_persistent.h"
#include "engines/cuda/fused/softmax_wide.h"
#include "engines/cuda/mask.h"

namespace attnbench::cuda {

namespace {

std::int64_t rows_of(const Problem& problem) {
  return problem.shape.seqlen_q * (problem.shape.num_q_heads / problem.mechanism.num_kv_heads);
}

/// Whether products bound it, and thread blocks of kWideRows fill a GPU. Lengths that differ between batch
/// entries leave keys in memory that nobody may read; a copied box cannot leave them out.
bool is_wide(const Problem& problem) {
  constexpr std::int64_t kFewestBlocks = 60;
  constexpr std::int64_t kFewestKeys = 384;
  const auto& s = problem.shape;
  const auto mask = mask_of(problem.mechanism);
  const std::int64_t keys = mask.window      ? mask.left + mask.right + 1
                            : mask.block > 0 ? mask.block
                                             : s.seqlen_kv;
  const auto blocks = rows_of(problem) / kWideRows * problem.mechanism.num_kv_heads * s.batch;
  return s.seqlens_kv.empty() && blocks >= kFewestBlocks && std::min(keys, s.seqlen_kv) >= kFewestKeys;
}

/// Warpgroups of a block that stays: two where windows or blocks are many, one where the queries of a long
/// cache fill it, 0 where others compute.
std::int32_t groups_of(const Problem& problem) {
  constexpr std::int64_t kFewestUnits = 132;
  const auto& s = problem.shape;
  const auto group = s.num_q_heads / problem.mechanism.num_kv_heads;
  if (!s.seqlens_kv.empty() || 64 % group != 0 || !(s.softmax_scale > 0)) return 0;
  const auto mask = mask_of(problem.mechanism);
  const auto rows = rows_of(problem);
  if (rows > 32 && rows <= 64) return s.head_dim_qk == 128 ? 1 : 0;
  const bool some = mask.window || mask.block > 0;
  return some && rows / 128 * problem.mechanism.num_kv_heads * s.batch >= kFewestUnits ? 2 : 0;
}

}  // namespace

SoftmaxForm softmax_form(const Problem& problem) {
  const auto rows = rows_of(problem);
  const std::int32_t many = problem.shape.head_dim_qk == 64 ? 6 : 5;
  if (const auto groups = groups_of(problem); groups > 0) return {4, 1, 2, false, groups};
  if (rows <= 16) return {1, 4, many};
  if (rows <= 32) return {2, 4, many};
  if (rows <= 64) return {4, 2, many};
  return {4, 1, 2, is_wide(problem)};
}

Blocks softmax_blocks(const SoftmaxForm& form, DType dtype, std::int64_t head_dim,
                      std::int32_t multiprocessors) {
  if (form.wide) return {kWideRows, multiprocessors, 1, kWideTileKeys, false};
  if (form.groups > 0)
    return {form.rows(), multiprocessors * persistent_blocks(head_dim, form.groups),
            form.groups == 1 ? 1 : 16};
  const auto each =
      dtype == DType::bf16 ? softmax_blocks_bf16(form, head_dim) : softmax_blocks_f16(form, head_dim);
  return {form.rows(), multiprocessors * std::max(each, 1), form.key_warps > 1 ? 1 : 16};
}

cudaError_t launch_softmax(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_bf16(call, form, stream)
                                     : launch_softmax_f16(call, form, stream);
}

cudaError_t launch_softmax_wide(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_wide_bf16(call, k_map, v_map, stream)
                                     : launch_softmax_wide_f16(call, k_map, v_map, stream);
}

cudaError_t launch_softmax_persistent(const SoftmaxCall& call, const SoftmaxForm& form,
                                      const PersistentMaps& maps, const SplitUnits& split,
                                      std::int32_t multiprocessors, cudaStream_t stream) {
  return call.q.dtype == DType::bf16
             ? launch_softmax_persistent_bf16(call, form, maps, split, multiprocessors, stream)
             : launch_softmax_persistent_f16(call, form, maps, split, multiprocessors, stream);
}

}  // namespace attnbench::cuda
