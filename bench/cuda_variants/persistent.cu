#include "engines/cuda/fused/softmax_persistent.cuh"

#include "cuda_variants/variants.h"

namespace attnbench::cuda {
namespace {

template <int kHeadDim, int kGroups, int kKeys, int kSlots, int kBlocks, bool kHeldQueries = false, bool kBoxes = true>
constexpr PersistentEntry entry(const char* name) {
  using F = PersistentForm<kHeadDim, kGroups, kKeys, kSlots, kBlocks, kHeldQueries, kBoxes>;
  static_assert((F::kBytes + 1024) * kBlocks <= 228 * 1024);
  return {name, kHeadDim, F::kRows, kKeys, kBlocks,
          [](const SoftmaxCall& call, const CUtensorMap& q, const CUtensorMap& k, const CUtensorMap& v,
             const CUtensorMap& o, std::int32_t multiprocessors, cudaStream_t stream) {
            return PersistentLauncher<__nv_bfloat16, F>::launch(call, {q, k, v, o}, multiprocessors, stream);
          }};
}

constexpr PersistentEntry kForms[] = {
    entry<128, 2, 64, 9, 1>("p128r-64k"),   entry<128, 2, 128, 5, 1>("p128r-128k"), entry<128, 3, 64, 8, 1>("p192r-64k"),
    entry<128, 1, 64, 5, 2>("p64r-64k-x2"), entry<64, 1, 64, 7, 3>("p64r-64k-x3"),  entry<64, 3, 64, 12, 1>("p192r-64k"),
    entry<64, 2, 128, 8, 1>("p128r-128k"),  entry<64, 1, 128, 5, 2>("p64r-128k-x2"), entry<64, 2, 64, 12, 1>("p128r-64k"),
    // Queries held in registers; results by plain stores.
    entry<128, 2, 64, 9, 1, true>("p128r-64k-q"),   entry<128, 1, 64, 5, 2, true>("p64r-64k-x2-q"),
    entry<64, 2, 64, 12, 1, true>("p128r-64k-q"),   entry<64, 1, 64, 7, 3, true>("p64r-64k-x3-q"),
    entry<64, 3, 64, 12, 1, true>("p192r-64k-q"),   entry<128, 2, 64, 9, 1, true, false>("p128r-64k-q-plain"),
    entry<64, 2, 64, 12, 1, true, false>("p128r-64k-q-plain"),
};

}  // namespace

std::span<const PersistentEntry> persistent_forms() { return kForms; }

cudaError_t launch_merge_bf16(const SoftmaxCall& call, const WorkItem* units, int count, int rows, int block_rows,
                              cudaStream_t stream) {
  return call.q.width == 64 ? launch_merge<__nv_bfloat16, 64>(call, units, count, rows, block_rows, stream)
                            : launch_merge<__nv_bfloat16, 128>(call, units, count, rows, block_rows, stream);
}

}  // namespace attnbench::cuda
