#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "reference/inputs.h"
#include "run/verification/check.h"
#include "support/simple_kernel.h"

/// Verification must catch every kernel broken on purpose, and pass the same kernel when it is whole.
namespace attnbench {
namespace {

using test::Fault;
using test::SimpleKernel;

std::vector<Problem> problems(DType dtype) {
  std::vector<Problem> all;
  const auto add = [&](const char* mechanism, std::int64_t heads, std::int64_t kv_heads,
                       std::int64_t seqlen_q, std::int64_t seqlen_kv, std::int64_t batch) {
    Problem problem;
    auto& s = problem.shape;
    s.batch = batch;
    s.num_q_heads = heads;
    s.seqlen_q = seqlen_q;
    s.seqlen_kv = seqlen_kv;
    s.head_dim_qk = s.head_dim_v = 32;
    s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
    s.softmax_scale = 1 / std::sqrt(32.0);
    problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, kv_heads);
    problem.phase = seqlen_q == seqlen_kv ? Phase::prefill : Phase::decode;
    validate(problem);
    all.push_back(problem);
  };
  add("mha", 2, 0, 65, 65, 1);
  add("mha(causal)", 2, 0, 5, 70, 2);
  add("mha", 2, 0, 40, 33, 1);
  add("gqa(kv=2)", 6, 2, 33, 33, 1);
  add("swa(w=9)", 2, 0, 60, 60, 1);
  add("swa(w=8,causal)", 2, 0, 60, 60, 1);
  add("block_sparse(bs=7,globals=2)", 2, 0, 50, 50, 1);
  return all;
}

/// Reasons of all cases that the kernel fails.
std::vector<std::string> failures_of(Fault fault, DType dtype) {
  const SimpleKernel kernel(fault);
  const CpuDevice device;
  std::vector<std::string> reasons;
  for (const auto& problem : problems(dtype)) {
    for (const auto kind : reference::all_input_kinds()) {
      const auto data = reference::make_data(problem, kind, 7, true);
      const auto expected = expect(problem, data.tensors, reference::sample_rows(problem));
      const auto result = check_kernel(kernel, problem, device, data.tensors, expected);
      if (!result.passed) reasons.push_back(result.reason);
    }
  }
  return reasons;
}

TEST(BrokenKernels, TheWholeKernelPasses) {
  for (const auto dtype : kDTypes) EXPECT_THAT(failures_of(Fault::none, dtype), testing::IsEmpty());
}

struct Broken {
  Fault fault;
  const char* name;
  const char* words;  ///< that one of the reasons must hold
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.name; }

class BrokenKernels : public testing::TestWithParam<Broken> {};

TEST_P(BrokenKernels, IsCaughtInEveryElementType) {
  for (const auto dtype : kDTypes) {
    EXPECT_THAT(failures_of(GetParam().fault, dtype), testing::Contains(testing::HasSubstr(GetParam().words)))
        << name(dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(
    EachFault, BrokenKernels,
    testing::Values(Broken{Fault::no_max_subtraction, "no_max_subtraction", "nan"},
                    Broken{Fault::normalised_over_queries, "normalised_over_queries", "expected"},
                    Broken{Fault::window_shifted, "window_shifted", "expected"},
                    Broken{Fault::head_dropped, "head_dropped", "head 1, row 0] column 0 is nan"},
                    Broken{Fault::kv_group_ignored, "kv_group_ignored", "expected"},
                    Broken{Fault::inputs_overwritten, "inputs_overwritten", "it changed its inputs"},
                    Broken{Fault::rescale_skipped, "rescale_skipped", "expected"},
                    Broken{Fault::masked_rows_nan, "masked_rows_nan", "row 0] column 0 is"},
                    Broken{Fault::last_row_unwritten, "last_row_unwritten", "row 64] column 0 is nan"},
                    Broken{Fault::lse_without_maximum, "lse_without_maximum", "lse[batch 0"},
                    Broken{Fault::maximum_rounded, "maximum_rounded", "o[batch 0"},
                    Broken{Fault::hidden_keys_weigh, "hidden_keys_weigh", "expected"},
                    Broken{Fault::far_keys_weigh, "far_keys_weigh", "expected"}),
    [](const auto& broken) { return broken.param.name; });

}  // namespace
}  // namespace attnbench
