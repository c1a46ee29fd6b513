#include "engines/cuda/cublaslt.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <type_traits>

namespace attnbench::cuda {

CublasLt::CublasLt() {
  const auto file = fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);
  void* library = nullptr;
  for (const auto& path : {file, "/usr/local/cuda/lib64/" + file}) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) {
    why_missing = fmt::format("{} is not on this machine", file);
    return;
  }
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) why_missing = fmt::format("{} lacks {}", file, name);
  };
  find(create, "cublasLtCreate");
  find(destroy, "cublasLtDestroy");
  find(matmul, "cublasLtMatmul");
  find(desc_create, "cublasLtMatmulDescCreate");
  find(desc_destroy, "cublasLtMatmulDescDestroy");
  find(desc_set, "cublasLtMatmulDescSetAttribute");
  find(layout_create, "cublasLtMatrixLayoutCreate");
  find(layout_destroy, "cublasLtMatrixLayoutDestroy");
  find(layout_set, "cublasLtMatrixLayoutSetAttribute");
  find(preference_create, "cublasLtMatmulPreferenceCreate");
  find(preference_destroy, "cublasLtMatmulPreferenceDestroy");
  find(preference_set, "cublasLtMatmulPreferenceSetAttribute");
  find(heuristic, "cublasLtMatmulAlgoGetHeuristic");
  find(get_version, "cublasLtGetVersion");
}

std::string CublasLt::version() const {
  if (!why_missing.empty()) return "none";
  const auto number = get_version();
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

const CublasLt& cublaslt() {
  static const CublasLt library;
  return library;
}

}  // namespace attnbench::cuda
