#include "engines/cuda/matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "attnbench/error.h"
#include "engines/cuda/cublaslt.h"

namespace attnbench::cuda {
namespace {

constexpr std::int64_t kScratchBytes = 32 << 20;

void require(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error(fmt::format("{}: cuBLAS status {}", call, static_cast<int>(status)));
}

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return CUDA_R_32F;
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f16:
      return CUDA_R_16F;
  }
  no_such_dtype(dtype);
}

}  // namespace

/// Its matrices lie in columns: what is C = A B in rows is C^T = B^T A^T to it.
struct Matmul::Plan {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};

  Plan(const Product& p, cublasLtHandle_t handle) {
    const auto& lt = cublaslt();
    require(lt.desc_create(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    set_transposed(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed);
    set_transposed(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed);
    b = layout(p.in, p.a, p.m, p.k, p.batch);
    a = layout(p.in, p.b, p.k, p.n, p.batch);
    c = layout(p.out, p.c, p.m, p.n, p.batch);
    cublasLtMatmulPreference_t preference = nullptr;
    require(lt.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
    const auto scratch = static_cast<std::size_t>(kScratchBytes);
    lt.preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &scratch, sizeof scratch);
    set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.b, p.in);
    set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.a, p.in);
    set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.c, p.out);
    set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.c, p.out);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const auto status = lt.heuristic(handle, operation, a, b, c, c, preference, 1, &found, &count);
    lt.preference_destroy(preference);
    require(status, fmt::format("cublasLtMatmulAlgoGetHeuristic for {} x {} x {}, batch {}, {}", p.m, p.n,
                                p.k, p.batch, name(p.in)));
    if (count == 0) throw std::runtime_error("cuBLASLt has no kernel for this product");
    algorithm = found.algo;
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    const auto& lt = cublaslt();
    for (const auto matrix : {a, b, c}) {
      if (matrix != nullptr) lt.layout_destroy(matrix);
    }
    if (operation != nullptr) lt.desc_destroy(operation);
  }

 private:
  void set_transposed(cublasLtMatmulDescAttributes_t attribute, bool transposed) {
    const std::int32_t value = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    require(cublaslt().desc_set(operation, attribute, &value, sizeof value),
            "cublasLtMatmulDescSetAttribute");
  }
  static cublasLtMatrixLayout_t layout(DType dtype, const MatrixRows& rows, std::int64_t count,
                                       std::int64_t width, std::int64_t batch) {
    const auto& lt = cublaslt();
    cublasLtMatrixLayout_t made = nullptr;
    const auto in_memory = rows.transposed ? std::pair{width, count} : std::pair{count, width};
    require(lt.layout_create(&made, type_of(dtype), static_cast<std::uint64_t>(in_memory.second),
                             static_cast<std::uint64_t>(in_memory.first), rows.row_stride),
            "cublasLtMatrixLayoutCreate");
    const auto batches = static_cast<std::int32_t>(batch);
    require(lt.layout_set(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches),
            "cublasLtMatrixLayoutSetAttribute");
    require(lt.layout_set(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &rows.batch_stride,
                          sizeof rows.batch_stride),
            "cublasLtMatrixLayoutSetAttribute");
    return made;
  }
  /// By how much rows of the operand are aligned at least; matrices begin at rows.
  static void set_alignment(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t which,
                            const MatrixRows& rows, DType dtype) {
    const auto bytes = static_cast<std::uint64_t>((rows.row_stride | rows.batch_stride) * size_bytes(dtype));
    const auto aligned = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes & (~bytes + 1), 16));
    cublaslt().preference_set(preference, which, &aligned, sizeof aligned);
  }
};

Matmul::Matmul(Workspace& workspace) : workspace_(workspace), scratch_(workspace.reserve(kScratchBytes)) {}

Matmul::~Matmul() {
  plans_.clear();
  if (handle_ != nullptr) cublaslt().destroy(static_cast<cublasLtHandle_t>(handle_));
}

Matmul::Plan& Matmul::plan_of(const Product& product) {
  auto& plan = plans_[product];
  if (plan == nullptr) plan = std::make_unique<Plan>(product, static_cast<cublasLtHandle_t>(handle_));
  return *plan;
}

void Matmul::run(const Product& product, const void* a, const void* b, void* c, cudaStream_t stream) {
  if (product.m == 0 || product.n == 0 || product.batch == 0) return;
  const auto& lt = cublaslt();
  if (handle_ == nullptr) {
    cublasLtHandle_t handle = nullptr;
    require(lt.create(&handle), "cublasLtCreate");
    handle_ = handle;
  }
  auto& plan = plan_of(product);
  const float alpha = 1;
  const float beta = product.accumulate ? 1 : 0;
  require(lt.matmul(static_cast<cublasLtHandle_t>(handle_), plan.operation, &alpha, b, plan.a, a, plan.b,
                    &beta, c, plan.c, c, plan.c, &plan.algorithm, workspace_.at<void>(scratch_),
                    static_cast<std::size_t>(kScratchBytes), stream),
          "cublasLtMatmul");
}

}  // namespace attnbench::cuda
