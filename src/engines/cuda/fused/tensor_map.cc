#include "engines/cuda/fused/tensor_map.h"

#include <cuda_runtime_api.h>
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

/// Strides, in elements, of all dimensions but the first.
template <std::size_t kRank>
CUtensorMap encode(const Strided& view, const std::array<std::int64_t, kRank>& sizes,
                   const std::array<std::int64_t, kRank - 1>& strides,
                   const std::array<cuuint32_t, kRank>& box) {
  std::array<cuuint64_t, kRank> extents;
  std::array<cuuint64_t, kRank - 1> bytes;
  std::array<cuuint32_t, kRank> steps;
  for (std::size_t n = 0; n < kRank; ++n) extents[n] = static_cast<cuuint64_t>(sizes[n]);
  for (std::size_t n = 0; n + 1 < kRank; ++n) bytes[n] = static_cast<cuuint64_t>(strides[n]) * 2;
  steps.fill(1);
  const auto type =
      view.dtype == DType::bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  CUtensorMap map;
  const auto result = encode_tiled()(&map, type, kRank, view.data, extents.data(), bytes.data(), box.data(),
                                     steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error(fmt::format("cuTensorMapEncodeTiled: error {}", static_cast<int>(result)));
  return map;
}

constexpr cuuint32_t kPanel = 64;  // columns, 128 bytes

}  // namespace

CUtensorMap keys_map(const Strided& view, std::int32_t batch, std::int32_t keys) {
  return encode<4>(view, {view.width, view.rows, view.heads, batch},
                   {view.row_stride, view.head_stride, view.batch_stride},
                   {kPanel, static_cast<cuuint32_t>(keys), 1, 1});
}

CUtensorMap rows_map(const Strided& view, std::int32_t batch, std::int32_t group) {
  // The stride of a single head does not matter.
  const auto head_stride = group > 1 ? view.head_stride : view.row_stride;
  const auto heads = static_cast<cuuint32_t>(group);
  return encode<5>(view, {view.width, group, view.rows, view.heads / group, batch},
                   {head_stride, view.row_stride, view.head_stride * group, view.batch_stride},
                   {kPanel, heads, 64 / heads, 1, 1});
}

}  // namespace attnbench::cuda
