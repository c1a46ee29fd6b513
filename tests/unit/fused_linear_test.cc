#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <ostream>
#include <string>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "emulated_amx.h"
#include "output_element.h"
#include "reference/inputs.h"
#include "support/expectation.h"

/// linear/fused and causal_linear/chunked, each path by name, against the oracle in float64. The bound is
/// 2 x (error of the plain form) + 4 ulp max|o|.
namespace attnbench {
namespace {

struct Path {
  std::string mechanism, kernel, path;
  DType dtype;
};

void PrintTo(const Path& path, std::ostream* out) {
  *out << path.mechanism << '_' << path.path << '_' << name(path.dtype);
}

struct LinearCase {
  std::int64_t batch = 1, heads = 2, kv_heads = 0;
  std::int64_t seqlen_q = 100, seqlen_kv = 100;
  std::int64_t head_dim_qk = 64, head_dim_v = 64;
  std::int64_t keys = 0;  ///< of the call; 0: all
  Layout layout = Layout::bhsd;
  double eps = 1e-6;
  std::vector<std::int64_t> seqlens_kv = {};
};

Problem problem_of(const Path& path, const LinearCase& c) {
  Problem p;
  p.shape = {.batch = c.batch,
             .num_q_heads = c.heads,
             .seqlen_q = c.seqlen_q,
             .seqlen_kv = c.seqlen_kv,
             .head_dim_qk = c.head_dim_qk,
             .head_dim_v = c.head_dim_v,
             .dtype_q = path.dtype,
             .dtype_kv = path.dtype,
             .dtype_o = path.dtype,
             .layout = c.layout,
             .seqlens_kv = c.seqlens_kv};
  p.mechanism = bind_kv_heads(parse_mechanism(path.mechanism), c.heads, c.kv_heads);
  p.mechanism.eps = c.eps;
  p.phase = c.seqlen_q == c.seqlen_kv ? Phase::prefill : Phase::decode;
  return p;
}

class FusedLinear : public testing::TestWithParam<Path> {
 protected:
  const KernelInfo& kernel() const {
    const auto& path = GetParam();
    if (path.path == "amx_emulated") return *emulated_amx_kernel(parse_mechanism(path.mechanism).kind);
    const auto* found = find_kernel({parse_mechanism(path.mechanism), path.kernel, "cpu", path.path});
    if (found == nullptr) throw std::runtime_error(path.path + " is not registered");
    return *found;
  }

  void SetUp() override {
    const auto support = kernel().supports(problem_of(GetParam(), {}), cpu_device(1));
    if (!support) GTEST_SKIP() << support.reason();
  }

  void check(const LinearCase& c, const reference::ProblemData& data, int threads) const {
    const auto problem = problem_of(GetParam(), c);
    auto tensors = data.tensors;
    if (c.keys != 0) tensors[Role::k].sizes[2] = tensors[Role::v].sizes[2] = c.keys;
    validate(problem);
    check_tensors(problem, tensors);
    auto device = cpu_device(1);
    device.threads = threads;
    ASSERT_TRUE(kernel().supports(problem, device)) << kernel().supports(problem, device).reason();
    const auto execution = kernel().prepare(problem, device);
    EXPECT_EQ(execution->workspace_bytes(), kernel().workspace_bytes(problem, device));
    const auto queue = device.make_queue();
    run_once(*execution, problem, tensors, *queue);

    const auto rows = reference::sample_rows(problem);
    const auto& [exact, plain] = testing_support::expectation(problem, tensors, rows);
    double error = 0;
    double plain_error = 0;
    double largest = 0;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      for (std::int64_t d = 0; d < c.head_dim_v; ++d) {
        const auto at = n * static_cast<std::size_t>(c.head_dim_v) + static_cast<std::size_t>(d);
        const auto difference = std::abs(element(tensors[Role::o], rows[n], d) - exact[Role::o][at]);
        error = std::isnan(difference) ? HUGE_VAL : std::max(error, difference);
        plain_error = std::max(plain_error, std::abs(plain.front()[Role::o][at] - exact[Role::o][at]));
        largest = std::max(largest, std::abs(exact[Role::o][at]));
      }
    }
    EXPECT_LE(error, 2 * plain_error + 4 * unit_in_last_place(GetParam().dtype) * largest)
        << "plain " << plain_error << ", max |o| " << largest;
  }

  void check(const LinearCase& c, reference::InputKind kind = reference::InputKind::normal) const {
    SCOPED_TRACE(testing::Message() << "batch " << c.batch << " heads " << c.heads << "/" << c.kv_heads
                                    << " q " << c.seqlen_q << " kv " << c.seqlen_kv << " keys " << c.keys
                                    << " d " << c.head_dim_qk << "/" << c.head_dim_v << " " << name(kind));
    for (const int threads : {1, 2, 3, 6}) {
      check(c, reference::make_data(problem_of(GetParam(), c), kind, 5, false), threads);
    }
  }

  /// Multiplies an input by `factor` after adding `shift`.
  static void transform(const TensorView& view, float shift, float factor) {
    for (std::int64_t b = 0; b < view.sizes[0]; ++b)
      for (std::int64_t h = 0; h < view.sizes[1]; ++h)
        for (std::int64_t i = 0; i < view.sizes[2]; ++i)
          for (std::int64_t d = 0; d < view.sizes[3]; ++d) {
            set_element(view, b, h, i, d, (get_element(view, b, h, i, d) + shift) * factor);
          }
  }
};

TEST_P(FusedLinear, LengthsOffEveryTile) {
  for (const std::int64_t n : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 777}) {
    check({.seqlen_q = n, .seqlen_kv = n});
  }
}

TEST_P(FusedLinear, HardInputs) {
  for (const auto kind : reference::all_input_kinds()) check({.seqlen_q = 200, .seqlen_kv = 200}, kind);
}

TEST_P(FusedLinear, HeadDims) {
  for (const std::int64_t d : {16, 32, 48, 80, 96, 112, 128, 256}) check({.head_dim_qk = d, .head_dim_v = d});
  check({.head_dim_qk = 16, .head_dim_v = 256});
  check({.head_dim_qk = 256, .head_dim_v = 16});
  for (const std::int64_t d : {1, 2, 17, 31, 41, 90}) check({.head_dim_qk = d, .head_dim_v = 90 - d + 1});
}

TEST_P(FusedLinear, QueriesShareTheStateOfTheirKvHead) {
  check({.batch = 3, .heads = 6, .kv_heads = 2});
  check({.heads = 8, .kv_heads = 1, .seqlen_q = 40, .seqlen_kv = 40});
  check({.heads = 7, .kv_heads = 7});
}

TEST_P(FusedLinear, FewQueriesOfManyKeys) {
  for (const std::int64_t queries : {1, 3, 40}) {
    check({.seqlen_q = queries, .seqlen_kv = 500});
    check({.heads = 1, .seqlen_q = queries, .seqlen_kv = 1000});
    check({.seqlen_q = queries, .seqlen_kv = 500, .keys = 333});
    check({.seqlen_q = queries, .seqlen_kv = 500, .keys = 2});
  }
}

TEST_P(FusedLinear, RowsWithoutAnyKeyAreZero) {
  check({.seqlen_q = 150, .seqlen_kv = 77});
  check({.seqlen_q = 150, .seqlen_kv = 1});
}

TEST_P(FusedLinear, LengthsOfTheirOwnInABatch) {
  check({.batch = 3, .seqlen_q = 90, .seqlen_kv = 300, .seqlens_kv = {300, 0, 91}});
}

TEST_P(FusedLinear, HeadsThatDoNotDivideOverThreads) {
  check({.heads = 1, .seqlen_q = 1500, .seqlen_kv = 1500});
  check({.heads = 3, .seqlen_q = 700, .seqlen_kv = 700});
  check({.heads = 5, .seqlen_q = 300, .seqlen_kv = 900});
}

TEST_P(FusedLinear, SequenceBeforeHeads) {
  check({.batch = 2, .heads = 4, .kv_heads = 2, .layout = Layout::bshd});
}

TEST_P(FusedLinear, RowsWithGaps) {
  const LinearCase c{.heads = 2, .seqlen_q = 70, .seqlen_kv = 70, .head_dim_qk = 48, .head_dim_v = 40};
  auto wide = c;
  wide.head_dim_qk = wide.head_dim_v = 56;
  auto data = reference::make_data(problem_of(GetParam(), wide), reference::InputKind::normal, 3, false);
  auto& t = data.tensors;
  t[Role::q].sizes[3] = t[Role::k].sizes[3] = c.head_dim_qk;
  t[Role::v].sizes[3] = t[Role::o].sizes[3] = c.head_dim_v;
  check(c, data, 2);
  // What lies beyond the row's end is not o's: it still has the poison.
  auto beyond = t[Role::o];
  beyond.sizes[3] = wide.head_dim_v;
  for (auto d = c.head_dim_v; d < wide.head_dim_v; ++d)
    EXPECT_TRUE(std::isnan(element(beyond, {0, 1, 69}, d)));
}

TEST_P(FusedLinear, FeaturesNearEpsAndFarAboveOne) {
  const LinearCase c{.seqlen_q = 130, .seqlen_kv = 130};
  for (const auto& [shift, factor] :
       {std::pair{-8.0f, 1.0f}, {-25.0f, 1.0f}, {-70.0f, 2.0f}, {3.0f, 20.0f}}) {
    for (const bool of_keys : {false, true}) {
      SCOPED_TRACE(testing::Message()
                   << (of_keys ? "k" : "q") << " shifted by " << shift << ", times " << factor);
      auto data = reference::make_data(problem_of(GetParam(), c), reference::InputKind::normal, 9, false);
      transform(of_keys ? data.tensors[Role::k] : data.tensors[Role::q], shift, factor);
      check(c, data, 1);
    }
  }
  for (const double eps : {1e-3, 1.0}) check({.eps = eps});
}

TEST_P(FusedLinear, NanStaysInItsRows) {
  const LinearCase c{.heads = 1, .seqlen_q = 64, .seqlen_kv = 64};
  const auto problem = problem_of(GetParam(), c);
  const auto data = reference::make_data(problem, reference::InputKind::normal, 4, false);
  set_element(data.tensors[Role::q], 0, 0, 20, 0, NAN);
  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  const auto execution = kernel().prepare(problem, device);
  for (int call = 0; call < 2; ++call) {
    run_once(*execution, problem, data.tensors, *queue);
    for (std::int64_t i = 0; i < 64; ++i) {
      EXPECT_EQ(std::isnan(element(data.tensors[Role::o], {0, 0, i}, 5)), i == 20) << i;
    }
  }
}

TEST_P(FusedLinear, RefusesWhatItDoesNotCompute) {
  auto problem = problem_of(GetParam(), {});
  problem.shape.dtype_o = problem.shape.dtype_o == DType::f32 ? DType::bf16 : DType::f32;
  EXPECT_FALSE(kernel().supports(problem, cpu_device(1)));
  problem = problem_of(GetParam(), {});
  problem.mechanism.kind = MechanismKind::mha;
  EXPECT_FALSE(kernel().supports(problem, cpu_device(1)));
  if (GetParam().path == "portable") return;
  // f16 is never run as the other type of two bytes.
  for (const auto other : kDTypes) {
    if (other == GetParam().dtype) continue;
    problem = problem_of(GetParam(), {});
    problem.shape.dtype_q = problem.shape.dtype_kv = problem.shape.dtype_o = other;
    EXPECT_EQ(kernel().supports(problem, cpu_device(1)).reason(),
              std::string(name(GetParam().dtype)) + " only, not " + std::string(name(other)));
  }
  auto old = cpu_device(1);
  old.features = {.sse42 = true};
  EXPECT_FALSE(kernel().supports(problem_of(GetParam(), {}), old));
}

/// The portable path with each vector width this CPU has, one by one.
class EveryWidth : public FusedLinear {
 protected:
  void TearDown() override { use_targets(0); }
  static void use_targets(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

TEST_P(EveryWidth, MatchesTheOracle) {
  auto targets = hwy::SupportedTargets() & HWY_TARGETS;
  ASSERT_NE(targets, 0);
  for (; targets != 0; targets &= targets - 1) {
    use_targets(targets & -targets);
    SCOPED_TRACE(hwy::TargetName(targets & -targets));
    check({.heads = 3, .kv_heads = 1, .seqlen_q = 77, .seqlen_kv = 77});
    check({.seqlen_q = 40, .seqlen_kv = 100, .head_dim_qk = 80, .head_dim_v = 48});
    check({.seqlen_q = 33, .seqlen_kv = 33, .head_dim_qk = 41, .head_dim_v = 20});
    use_targets(0);
  }
}

std::string test_name(const testing::TestParamInfo<Path>& info) { return testing::PrintToString(info.param); }

INSTANTIATE_TEST_SUITE_P(Paths, FusedLinear,
                         testing::Values(Path{"linear", "fused", "portable", DType::f32},
                                         Path{"causal_linear", "chunked", "portable", DType::f32},
                                         Path{"linear", "fused", "portable", DType::bf16},
                                         Path{"causal_linear", "chunked", "portable", DType::bf16},
                                         Path{"linear", "fused", "portable", DType::f16},
                                         Path{"causal_linear", "chunked", "portable", DType::f16}),
                         test_name);
#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(X86, FusedLinear,
                         testing::Values(Path{"linear", "fused", "amx", DType::bf16},
                                         Path{"causal_linear", "chunked", "amx", DType::bf16},
                                         Path{"linear", "fused", "amx_emulated", DType::bf16},
                                         Path{"causal_linear", "chunked", "amx_emulated", DType::bf16},
                                         Path{"linear", "fused", "avx512bf16", DType::bf16},
                                         Path{"causal_linear", "chunked", "avx512bf16", DType::bf16},
                                         Path{"linear", "fused", "avx512", DType::f32},
                                         Path{"causal_linear", "chunked", "avx512", DType::f32}),
                         test_name);
#endif
INSTANTIATE_TEST_SUITE_P(Paths, EveryWidth,
                         testing::Values(Path{"linear", "fused", "portable", DType::f32},
                                         Path{"causal_linear", "chunked", "portable", DType::f32},
                                         Path{"linear", "fused", "portable", DType::bf16},
                                         Path{"causal_linear", "chunked", "portable", DType::bf16},
                                         Path{"linear", "fused", "portable", DType::f16},
                                         Path{"causal_linear", "chunked", "portable", DType::f16}),
                         test_name);

}  // namespace
}  // namespace attnbench
