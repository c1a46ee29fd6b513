#include "cuda_variants/variants.h"
#include "engines/cuda/fused/softmax.cuh"
#include "engines/cuda/fused/softmax_wide.cuh"

namespace attnbench::cuda {
namespace {

template <int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
constexpr MmaEntry entry(const char* name) {
  using L = Launcher<__nv_bfloat16, kHeadDim, kRowWarps, kKeyWarps, kStages>;
  return {name, kHeadDim, kRowWarps, kKeyWarps,
          [](const SoftmaxCall& call, cudaStream_t stream) { return L::launch(call, stream); }, [] { return L::blocks(); }};
}

constexpr MmaEntry kForms[] = {
    entry<64, 1, 4, 6>("m1x4"),  entry<64, 4, 2, 6>("m4x2"),  entry<64, 4, 1, 2>("m4x1"),
    entry<128, 1, 4, 5>("m1x4"), entry<128, 2, 4, 5>("m2x4"), entry<128, 4, 2, 5>("m4x2"),
    entry<128, 4, 1, 2>("m4x1"), entry<128, 4, 1, 3>("m4x1s3"), entry<128, 2, 2, 3>("m2x2s3"),
    entry<128, 1, 4, 3>("m1x4s3"),
};

}  // namespace

std::span<const MmaEntry> mma_forms() { return kForms; }

cudaError_t launch_wide_of(const SoftmaxCall& call, const CUtensorMap& k, const CUtensorMap& v, cudaStream_t stream) {
  return call.q.width == 64 ? launch_wide<__nv_bfloat16, 64>(call, k, v, stream)
                            : launch_wide<__nv_bfloat16, 128>(call, k, v, stream);
}

}  // namespace attnbench::cuda
