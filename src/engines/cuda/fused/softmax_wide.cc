#include "engines/cuda/fused/softmax_wide.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "engines/cuda/cuda_error.h"

namespace attnbench::cuda {
namespace {

/// The driver's function, found by the runtime: the program links no driver.
decltype(&cuTensorMapEncodeTiled) encode_tiled() {
  static const auto function = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    check(
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result),
        "cudaGetDriverEntryPoint of cuTensorMapEncodeTiled");
    if (result != cudaDriverEntryPointSuccess)
      throw std::runtime_error("the driver has no cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  return function;
}

}  // namespace

CUtensorMap wide_map(const Strided& view, std::int32_t batch) {
  constexpr cuuint32_t kPanel = 64;  // elements, 128 bytes
  const auto extent = [](std::int32_t n) { return static_cast<cuuint64_t>(n); };
  const auto bytes = [](std::int64_t elements) { return static_cast<cuuint64_t>(elements) * 2; };
  const std::array sizes{extent(view.width), extent(view.rows), extent(view.heads), extent(batch)};
  const std::array strides{bytes(view.row_stride), bytes(view.head_stride), bytes(view.batch_stride)};
  const std::array<cuuint32_t, 4> box{kPanel, kWideTileKeys, 1, 1};
  const std::array<cuuint32_t, 4> steps{1, 1, 1, 1};
  const auto type =
      view.dtype == DType::bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  CUtensorMap map;
  const auto result = encode_tiled()(&map, type, 4, view.data, sizes.data(), strides.data(), box.data(),
                                     steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error(fmt::format("cuTensorMapEncodeTiled: error {}", static_cast<int>(result)));
  return map;
}

cudaError_t launch_softmax_wide(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_wide_bf16(call, k_map, v_map, stream)
                                     : launch_softmax_wide_f16(call, k_map, v_map, stream);
}

}  // namespace attnbench::cuda
