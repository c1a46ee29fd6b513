#include <gtest/gtest.h>

#include <cstdlib>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "reference/inputs.h"
#include "support/allocations.h"

namespace attnbench {
namespace {

/// Prefill, windows, decode that splits its keys over threads, odd sizes: every way through the fused
/// kernels.
struct AllocationCase {
  const char* mechanism;
  std::int64_t batch, q_heads, kv_heads, seqlen_q, seqlen_kv;
};
constexpr AllocationCase kCases[] = {
    {"mha", 2, 3, 0, 129, 129},
    {"mha(causal)", 1, 8, 0, 256, 256},
    {"gqa(kv=2)", 1, 8, 2, 1, 4096},
    {"swa(w=64)", 1, 4, 0, 777, 777},
    {"block_sparse(bs=32,globals=1)", 1, 4, 0, 777, 777},
    {"linear", 1, 4, 0, 512, 512},
    {"causal_linear", 1, 4, 0, 777, 777},
};

Problem problem_of(const AllocationCase& c, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = c.batch;
  s.num_q_heads = c.q_heads;
  s.seqlen_q = c.seqlen_q;
  s.seqlen_kv = c.seqlen_kv;
  s.head_dim_qk = s.head_dim_v = 64;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 0.125;
  problem.phase = c.seqlen_q == c.seqlen_kv ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), c.q_heads, c.kv_heads);
  return problem;
}

TEST(Allocation, IsCounted) {
  if (!testing_support::counts_allocations())
    GTEST_SKIP() << "the sanitizer's allocator stands in for malloc";
  const auto before = testing_support::allocations();
  void* volatile memory = std::malloc(1000);  // volatile: clang drops an allocation that nothing reads
  EXPECT_GT(testing_support::allocations(), before);
  std::free(memory);
}

/// The first call may still start threads; from the second on nothing is allocated, by any thread.
TEST(Allocation, FusedKernelsAllocateNothingInACall) {
  if (!testing_support::counts_allocations())
    GTEST_SKIP() << "the sanitizer's allocator stands in for malloc";
  int checked = 0;
  for (const int threads : {1, 2}) {
    const auto device = cpu_device(threads);
    for (const auto dtype : kDTypes) {
      for (const auto& c : kCases) {
        const auto problem = problem_of(c, dtype);
        const auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
        for (const auto* kernel : kernels()) {
          const auto name = kernel->kernel();
          if ((name != "fused" && name != "chunked") || !kernel->supports(problem, device)) continue;
          const auto execution = kernel->prepare(problem, device);
          const auto queue = device.make_queue();
          const auto binding = execution->bind(data.tensors);
          Binding* const bindings[] = {binding.get()};
          execution->time(bindings, 1, *queue);
          const auto before = testing_support::allocations();
          execution->time(bindings, 1, *queue);
          EXPECT_EQ(testing_support::allocations() - before, 0)
              << kernel_id(problem.mechanism, *kernel) << ", " << attnbench::name(dtype) << ", " << threads
              << " threads";
          ++checked;
        }
      }
    }
  }
  EXPECT_GE(checked, 42);
}

}  // namespace
}  // namespace attnbench
