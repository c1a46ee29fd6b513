#include <dlfcn.h>

#include <algorithm>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engines/cpu/matmul.h"
#include "engines/cpu/widened_operands.h"

namespace attnbench::cpu {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

/// oneDNN takes its thread count from libgomp's setting of the calling thread. Looked up at run time because
/// clang builds do not link libgomp themselves.
void set_onednn_threads(int threads) {
  using SetNumThreads = void (*)(int);
  static const auto set = reinterpret_cast<SetNumThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set != nullptr) set(threads);
}

/// The most that libgomp gives: a product planned for more than it gets would be computed in part.
int onednn_thread_limit() {
  static const auto limit = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_thread_limit"));
  return limit != nullptr ? limit() : std::numeric_limits<int>::max();
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::data_type data_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return memory::data_type::f32;
    case DType::bf16:
      return memory::data_type::bf16;
    case DType::f16:
      return memory::data_type::f16;
  }
  no_such_dtype(dtype);
}

/// `batched` decides the rank, also for a batch of 1.
memory::desc describe(const MatrixLayout& layout, bool batched, std::int64_t batch, std::int64_t rows,
                      std::int64_t cols) {
  if (!batched) return {{rows, cols}, data_type(layout.dtype), {layout.row_stride, layout.col_stride}};
  return {{batch, rows, cols},
          data_type(layout.dtype),
          {layout.batch_stride, layout.row_stride, layout.col_stride}};
}

/// The same with sizes and strides given at run time; which stride is 1 stays fixed.
memory::desc describe_runtime(const MatrixLayout& layout, bool batched) {
  constexpr auto kAny = DNNL_RUNTIME_DIM_VAL;
  const auto row_stride = layout.col_stride == 1 ? kAny : 1;
  const auto col_stride = layout.col_stride == 1 ? 1 : kAny;
  if (!batched) return {{kAny, kAny}, data_type(layout.dtype), {row_stride, col_stride}};
  return {{kAny, kAny, kAny}, data_type(layout.dtype), {kAny, row_stride, col_stride}};
}

dnnl::matmul::primitive_desc plan(const memory::desc& a, const memory::desc& b, const memory::desc& c,
                                  Matmul::Result result) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (result == Matmul::Result::accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), a, b, c, attributes};
#else
  return {dnnl::matmul::desc(a, b, c), attributes, engine()};
#endif
}

memory without_data(const memory::desc& description) { return {description, engine(), DNNL_MEMORY_NONE}; }

Arguments make_arguments(const MatmulShape& s, bool batched, const memory::desc& scratch) {
  return {{DNNL_ARG_SRC, without_data(describe(s.a, batched, s.batch, s.m, s.k))},
          {DNNL_ARG_WEIGHTS, without_data(describe(s.b, batched, s.batch, s.k, s.n))},
          {DNNL_ARG_DST, without_data(describe(s.c, batched, s.batch, s.m, s.n))},
          {DNNL_ARG_SCRATCHPAD, without_data(scratch)}};
}

/// What one caller needs of its own.
struct Caller {
  Arguments exact;
  Arguments runtime;
  MatmulShape runtime_shape;  ///< that `runtime` describes
};

/// A product of one column whose elements lie apart: oneDNN 3.7's prepared form writes them as if they lay
/// side by side (seen with brg_matmul:avx512_core, f32 and bf16); the run-time form is right.
bool has_scattered_column(const MatmulShape& s) { return s.n == 1 && s.m > 1 && s.c.row_stride != 1; }

}  // namespace

Support matmul_support(DType dtype, const CpuDevice& device) {
  switch (operand_type(dtype)) {
    case DType::f32:
      return Support::yes();
    case DType::bf16:
      if (!device.features.avx512)
        return Support::no(
            "oneDNN has bf16 products only on CPUs with AVX-512; unfused_f32 and the "
            "projections of layers make them in f32");
      return Support::yes();
    case DType::f16:
      break;
  }
  return Support::no("oneDNN products are used in f32 and bf16 only");
}

DType operand_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::f16:
      return DType::f32;
    case DType::bf16:
      return DType::bf16;
  }
  no_such_dtype(dtype);
}

struct Matmul::Impl {
  MatmulShape shape;     ///< as prepared
  MatmulShape operands;  ///< what oneDNN sees of it
  int onednn_threads;
  dnnl::matmul::primitive_desc exact_plan, runtime_plan;
  dnnl::matmul exact, runtime;
  dnnl::stream stream{engine()};
  std::vector<Caller> callers;
  const Workspace* workspace;
  ThreadParts scratch;
  WidenedOperands widened;
};

Matmul::Matmul(const MatmulShape& shape, Threading threading, int threads, Workspace& workspace,
               Result result)
    : impl_(std::make_unique<Impl>()) {
  auto& impl = *impl_;
  impl.shape = shape;
  impl.operands = operand_shape(shape);
  const auto& s = impl.operands;
  const bool batched = s.batch != 1;
  impl.onednn_threads = threading == Threading::team ? std::min(threads, onednn_thread_limit()) : 1;
  set_onednn_threads(impl.onednn_threads);
  impl.exact_plan = plan(describe(s.a, batched, s.batch, s.m, s.k), describe(s.b, batched, s.batch, s.k, s.n),
                         describe(s.c, batched, s.batch, s.m, s.n), result);
  impl.runtime_plan = plan(describe_runtime(s.a, batched), describe_runtime(s.b, batched),
                           describe_runtime(s.c, batched), result);
  impl.exact = dnnl::matmul(impl.exact_plan);
  impl.runtime = dnnl::matmul(impl.runtime_plan);

  const auto callers = threading == Threading::team ? 1 : threads;
  for (int caller = 0; caller < callers; ++caller) {
    impl.callers.push_back({make_arguments(s, batched, impl.exact_plan.scratchpad_desc()),
                            make_arguments(s, batched, impl.runtime_plan.scratchpad_desc()), s});
  }
  impl.workspace = &workspace;
  const auto bytes =
      std::max(impl.exact_plan.scratchpad_desc().get_size(), impl.runtime_plan.scratchpad_desc().get_size());
  impl.scratch = ThreadParts(workspace, callers, static_cast<std::int64_t>(bytes));
  impl.widened = WidenedOperands(shape, callers, threading == Threading::team ? threads : 1, workspace);
}

Matmul::Matmul(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(int caller, const MatmulShape& shape, const void* a, const void* b, void* c) {
  auto& impl = *impl_;
  auto& own = impl.callers[static_cast<std::size_t>(caller)];
  const auto s = operand_shape(shape);
  const auto given = impl.widened.widen(*impl.workspace, caller, shape, a, b, c);
  const bool exact = s == impl.operands && !has_scattered_column(s);
  const bool batched = impl.operands.batch != 1;
  if (!exact && s != own.runtime_shape) {
    own.runtime = make_arguments(s, batched, impl.runtime_plan.scratchpad_desc());
    own.runtime_shape = s;
  }
  auto& arguments = exact ? own.exact : own.runtime;
  arguments.at(DNNL_ARG_SRC).set_data_handle(const_cast<void*>(given.a));
  arguments.at(DNNL_ARG_WEIGHTS).set_data_handle(const_cast<void*>(given.b));
  arguments.at(DNNL_ARG_DST).set_data_handle(given.c);
  arguments.at(DNNL_ARG_SCRATCHPAD).set_data_handle(impl.scratch.at<void*>(*impl.workspace, caller));
  set_onednn_threads(impl.onednn_threads);
  (exact ? impl.exact : impl.runtime).execute(impl.stream, arguments);
  impl.widened.round(shape, given, c);
}

const MatmulShape& Matmul::shape() const { return impl_->shape; }
std::string Matmul::implementation() const { return impl_->exact_plan.impl_info_str(); }

}  // namespace attnbench::cpu
