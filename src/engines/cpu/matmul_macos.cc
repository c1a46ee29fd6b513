#include <dlfcn.h>

#include "engines/cpu/blas_call.h"
#include "engines/cpu/matmul.h"
#include "engines/cpu/widened_operands.h"

// As Accelerate's header declares it; the header is part of Apple's SDK alone.
extern "C" void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                            const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);

namespace attnbench::cpu {
namespace {

constexpr int kRowsFirst = 101;
constexpr int kAsItIs = 111;
constexpr int kTransposed = 112;

/// BLASSetThreading() acts on the calling thread. Before macOS 15 there is none, and VECLIB_MAXIMUM_THREADS,
/// which a worker sets, is all that limits the pool.
void use_threads(bool one) {
  using SetThreading = int (*)(int);
  static const auto set = reinterpret_cast<SetThreading>(dlsym(RTLD_DEFAULT, "BLASSetThreading"));
  constexpr int kMultiThreaded = 0;
  constexpr int kSingleThreaded = 1;
  if (set != nullptr) set(one ? kSingleThreaded : kMultiThreaded);
}

}  // namespace

// Accelerate's BLAS multiplies f32; other types are widened.
Support matmul_support(DType, const CpuDevice&) { return Support::yes(); }
DType operand_type(DType) { return DType::f32; }

struct Matmul::Impl {
  MatmulShape shape;  ///< as prepared
  bool one_thread = true;
  float beta = 0;
  const Workspace* workspace = nullptr;
  WidenedOperands widened;
};

Matmul::Matmul(const MatmulShape& shape, Threading threading, int threads, Workspace& workspace,
               Result result)
    : impl_(std::make_unique<Impl>()) {
  const bool team = threading == Threading::team;
  impl_->shape = shape;
  impl_->one_thread = !team || threads == 1;
  impl_->beta = result == Result::accumulate ? 1.0F : 0.0F;
  impl_->workspace = &workspace;
  impl_->widened = WidenedOperands(shape, team ? 1 : threads, team ? threads : 1, workspace);
  blas_call(operand_shape(shape));  // refuses what does not fit
}

Matmul::Matmul(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(int caller, const MatmulShape& shape, const void* a, const void* b, void* c) {
  const auto given = impl_->widened.widen(*impl_->workspace, caller, shape, a, b, c);
  const auto s = operand_shape(shape);
  const auto call = blas_call(s);
  use_threads(impl_->one_thread);
  for (std::int64_t i = 0; i < s.batch; ++i) {
    cblas_sgemm(kRowsFirst, call.transpose_a ? kTransposed : kAsItIs,
                call.transpose_b ? kTransposed : kAsItIs, call.m, call.n, call.k, 1.0F,
                static_cast<const float*>(given.a) + i * s.a.batch_stride, call.lda,
                static_cast<const float*>(given.b) + i * s.b.batch_stride, call.ldb, impl_->beta,
                static_cast<float*>(given.c) + i * s.c.batch_stride, call.ldc);
  }
  impl_->widened.round(shape, given, c);
}

const MatmulShape& Matmul::shape() const { return impl_->shape; }
std::string Matmul::implementation() const { return "accelerate:cblas_sgemm"; }

}  // namespace attnbench::cpu
