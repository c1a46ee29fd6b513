#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "attnbench/dtype.h"

/// Elements on the device: a number to compute with is a float.
namespace attnbench::cuda {

template <typename T>
__device__ __forceinline__ float to_float(T x) {
  return static_cast<float>(x);
}
template <typename T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ __forceinline__ __half from_float<__half>(float x) {
  return __float2half_rn(x);
}

/// elu(x) + 1.
__device__ __forceinline__ float phi_of(float x) { return x > 0 ? x + 1 : expf(x); }

/// Calls body(T()) with the type of the elements.
template <typename Body>
cudaError_t with_type(DType dtype, Body body) {
  switch (dtype) {
    case DType::f32:
      return body(float());
    case DType::bf16:
      return body(__nv_bfloat16());
    case DType::f16:
      return body(__half());
  }
  return cudaErrorInvalidValue;
}

}  // namespace attnbench::cuda
