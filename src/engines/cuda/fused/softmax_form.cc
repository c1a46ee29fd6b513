#include "engines/cuda/fused/softmax_form.h"

#include <algorithm>

#include "engines/cuda/mask.h"

/// Every rule was measured on an H200, in bf16: docs/performance.md has the times. What fills a GPU fills
/// that one.
namespace attnbench::cuda {
namespace {

constexpr std::int32_t kMultiprocessors = 132;

std::int64_t rows_of(const Problem& problem) {
  return problem.shape.seqlen_q * (problem.shape.num_q_heads / problem.mechanism.num_kv_heads);
}

/// Units of so many rows that are whole.
std::int64_t units_of(const Problem& problem, std::int64_t rows) {
  return rows_of(problem) / rows * problem.mechanism.num_kv_heads * problem.shape.batch;
}

/// Keys that a query sees, but for global ones.
std::int64_t keys_of(const Problem& problem) {
  const auto mask = mask_of(problem.mechanism);
  const std::int64_t keys = mask.window      ? mask.left + mask.right + 1
                            : mask.block > 0 ? mask.block
                                             : problem.shape.seqlen_kv;
  return std::min(keys, problem.shape.seqlen_kv);
}

/// Whether units of up to 64 rows give each of so many thread blocks 8 tiles. Between 2 (8 queries of 32
/// heads over 4096 keys, which one block a multiprocessor computes faster) and 62 (131072 keys) nothing was
/// measured.
bool is_long(const Problem& problem, std::int64_t slots) {
  return keys_of(problem) / kTileKeys * problem.mechanism.num_kv_heads * problem.shape.batch >= 8 * slots;
}

/// Lengths that differ between batch entries leave keys in memory that nobody may read; a copied box cannot
/// leave them out.
bool may_copy_boxes(const Problem& problem) { return problem.shape.seqlens_kv.empty(); }

/// Whether products bound it, and thread blocks of kWideRows fill a GPU.
bool is_wide(const Problem& problem) {
  constexpr std::int64_t kFewestBlocks = 60;
  constexpr std::int64_t kFewestKeys = 384;
  return may_copy_boxes(problem) && units_of(problem, kWideRows) >= kFewestBlocks &&
         keys_of(problem) >= kFewestKeys;
}

/// Whether thread blocks may stay: a box holds rows of whole queries.
bool may_stay(const Problem& problem) {
  const auto group = problem.shape.num_q_heads / problem.mechanism.num_kv_heads;
  return may_copy_boxes(problem) && 64 % group == 0 && problem.shape.softmax_scale > 0;
}

bool fills(const Problem& problem, const SoftmaxForm& form) {
  return units_of(problem, form.rows()) >=
         kMultiprocessors * persistent_blocks(problem.shape.head_dim_qk, form);
}

constexpr SoftmaxForm kStaying64{4, 1, false, 1, 64};
constexpr SoftmaxForm kStaying64By128{4, 1, false, 1, 128};
constexpr SoftmaxForm kStaying128By128{4, 1, false, 2, 128};
constexpr SoftmaxForm kWide{4, 1, true, 0, kWideTileKeys};

}  // namespace

SoftmaxForm softmax_form(const Problem& problem) {
  const auto rows = rows_of(problem);
  const auto head_dim = problem.shape.head_dim_qk;
  const auto mask = mask_of(problem.mechanism);
  const bool some = mask.window || mask.block > 0;
  if (rows <= 16) return {1, 4};
  if (rows <= 32) return {2, 2};
  if (may_stay(problem)) {
    // Measured: windows of 128, 256 and 1024 keys and blocks of 128, where units fill the GPU more than
    // twice; with 64 and 128 units mma.sync is faster. Where all of 2048 keys or more are seen, wide is.
    constexpr std::int64_t kMostKeys = 2048;
    const auto& form = mask.window && head_dim == 128 ? kStaying128By128 : kStaying64;
    if (some && keys_of(problem) <= kMostKeys && fills(problem, form)) return form;
    const auto slots = kMultiprocessors * persistent_blocks(head_dim, kStaying64);
    if (rows <= 64 && is_long(problem, slots)) return kStaying64;
    // Blocks of 128 rows would leave half of the multiprocessors without work. Not measured: causal.
    const bool few = units_of(problem, kStaying64By128.rows()) <= kMultiprocessors;
    if (head_dim == 64 && !some && !mask.causal && few && is_wide(problem)) return kStaying64By128;
  }
  return is_wide(problem) ? kWide : SoftmaxForm{};
}

Blocks softmax_blocks(const SoftmaxForm& form, const Problem& problem, std::int32_t slots) {
  Blocks blocks{form.rows(), slots, 16, form.tile_keys, !form.wide};
  // The global query's parts then lie beside the units that read the same keys.
  blocks.by_key = form.groups > 0 && mask_of(problem.mechanism).block > 0;
  if (rows_of(problem) <= 64) {
    blocks.least_tiles = 1;
    // More blocks would have less than it takes to start and merge them.
    if (!is_long(problem, slots)) blocks.slots = std::max(slots / 2, 1);
  }
  return blocks;
}

}  // namespace attnbench::cuda
