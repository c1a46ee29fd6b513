#pragma once

#include <cublasLt.h>

#include <string>

namespace attnbench::cuda {

/// cuBLASLt, loaded when first asked for. The library has half a gigabyte and is not on every machine with a
/// GPU, so that the program does not link it: without it, what needs it says so and the rest runs.
struct CublasLt {
  CublasLt();

  /// Why it cannot be used; empty where it can.
  std::string why_missing;
  /// "13.1.0", or "none".
  std::string version() const;

  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtGetVersion) get_version = nullptr;
};

const CublasLt& cublaslt();

}  // namespace attnbench::cuda
