#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "support/elements.h"

/// Every unfused kernel against the definition in float64, written out here.
namespace attnbench {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Memory of one tensor with `gap` unused elements after each row.
struct Tensor {
  std::vector<std::byte> memory;
  TensorView view;

  Tensor() = default;
  Tensor(DType dtype, Layout layout, std::array<std::int64_t, 4> sizes, std::int64_t gap) {
    view = dense_view(nullptr, dtype, layout, sizes[0], sizes[1], sizes[2], sizes[3] + gap);
    view.sizes[3] = sizes[3];
    const auto count = static_cast<std::size_t>(sizes[0] * sizes[1] * sizes[2] * (sizes[3] + gap));
    memory.assign(count * static_cast<std::size_t>(size_bytes(dtype)), std::byte{0xff});  // NaN
    view.data = memory.data();
  }

  double at(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t d) const {
    return get_element(view, b, h, i, d);
  }
  void fill_normal(std::mt19937& random, double factor) {
    std::normal_distribution<double> normal;
    for (std::int64_t b = 0; b < view.sizes[0]; ++b)
      for (std::int64_t h = 0; h < view.sizes[1]; ++h)
        for (std::int64_t i = 0; i < view.sizes[2]; ++i)
          for (std::int64_t d = 0; d < view.sizes[3]; ++d) {
            set_element(view, b, h, i, d, static_cast<float>(factor * normal(random)));
          }
  }
};

struct UnfusedCase {
  std::string kernel;
  std::string mechanism;
  std::int64_t batch = 1, heads = 2, kv_heads = 0;
  std::int64_t seqlen_q = 33, seqlen_kv = 33, keys = 0;  ///< keys = 0: all
  std::int64_t head_dim_qk = 32, head_dim_v = 32;
  Layout layout = Layout::bhsd;
  std::int64_t gap = 0;
  double input_factor = 1;
  double scale = 0.17;

  Problem problem(DType dtype) const {
    Problem p;
    p.shape = {.batch = batch,
               .num_q_heads = heads,
               .seqlen_q = seqlen_q,
               .seqlen_kv = seqlen_kv,
               .head_dim_qk = head_dim_qk,
               .head_dim_v = head_dim_v,
               .dtype_q = dtype,
               .dtype_kv = dtype,
               .dtype_o = dtype,
               .layout = layout,
               .softmax_scale = scale};
    p.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, kv_heads);
    p.phase = seqlen_q == seqlen_kv ? Phase::prefill : Phase::decode;
    return p;
  }
};

bool allowed(const Mechanism& m, std::int64_t position, std::int64_t j) {
  if (position < 0) return false;
  if (m.is_causal() && j > position) return false;
  if (m.kind == MechanismKind::swa) {
    const auto left = m.causal_bottom_right ? m.window - 1 : m.window / 2;
    return j >= position - left && j <= position + m.window / 2;
  }
  if (m.kind == MechanismKind::block_sparse) {
    return position / m.block_size == j / m.block_size || j < m.globals || position < m.globals;
  }
  return true;
}

double feature(double x) { return x > 0 ? x + 1 : std::exp(x); }

/// One output row and its log-sum-exp by definition.
struct Row {
  std::vector<double> o;
  double lse = -kInf;
};

Row define(const Problem& p, const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t b,
           std::int64_t h, std::int64_t i) {
  const auto keys = k.view.sizes[2];
  const auto kv_head = h / (p.shape.num_q_heads / p.mechanism.num_kv_heads);
  std::vector<double> weight(static_cast<std::size_t>(keys), 0);
  double maximum = -kInf;
  std::vector<double> score(weight.size(), -kInf);
  for (std::int64_t j = 0; j < keys; ++j) {
    if (!allowed(p.mechanism, i + keys - p.shape.seqlen_q, j)) continue;
    double dot = 0;
    double features = 0;
    for (std::int64_t d = 0; d < p.shape.head_dim_qk; ++d) {
      dot += q.at(b, h, i, d) * k.at(b, kv_head, j, d);
      features += feature(q.at(b, h, i, d)) * feature(k.at(b, kv_head, j, d));
    }
    const auto index = static_cast<std::size_t>(j);
    score[index] = dot * p.shape.softmax_scale;
    maximum = std::max(maximum, score[index]);
    weight[index] = features;
  }
  Row row;
  row.o.assign(static_cast<std::size_t>(p.shape.head_dim_v), 0);
  if (p.mechanism.is_softmax()) {
    for (std::size_t j = 0; j < weight.size(); ++j)
      weight[j] = maximum == -kInf ? 0 : std::exp(score[j] - maximum);
  }
  double sum = p.mechanism.is_softmax() ? 0 : p.mechanism.eps;
  for (const auto w : weight) sum += w;
  if (sum == 0) return row;
  row.lse = maximum + std::log(sum);
  for (std::size_t d = 0; d < row.o.size(); ++d) {
    for (std::size_t j = 0; j < weight.size(); ++j) {
      row.o[d] +=
          weight[j] / sum * v.at(b, kv_head, static_cast<std::int64_t>(j), static_cast<std::int64_t>(d));
    }
  }
  return row;
}

const KernelInfo& kernel_named(const UnfusedCase& c) {
  const auto* kernel = find_kernel({parse_mechanism(c.mechanism), c.kernel, "cpu", ""});
  if (kernel == nullptr) throw InputError("kernel", c.kernel, "is not registered");
  return *kernel;
}

/// Inputs of a case in one element type, and what the definition makes of them.
struct Example {
  Problem problem;
  Tensor q, k, v;
  std::vector<Row> expected;  ///< by batch, head, query

  Example(const UnfusedCase& c, DType dtype) : problem(c.problem(dtype)) {
    const auto& s = problem.shape;
    const auto keys = c.keys == 0 ? s.seqlen_kv : c.keys;
    const auto kv_heads = problem.mechanism.num_kv_heads;
    q = Tensor(dtype, c.layout, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_qk}, c.gap);
    k = Tensor(dtype, c.layout, {s.batch, kv_heads, keys, s.head_dim_qk}, c.gap);
    v = Tensor(dtype, c.layout, {s.batch, kv_heads, keys, s.head_dim_v}, c.gap);
    std::mt19937 random(7);
    q.fill_normal(random, c.input_factor);
    k.fill_normal(random, 1);
    v.fill_normal(random, 1);
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t h = 0; h < s.num_q_heads; ++h)
        for (std::int64_t i = 0; i < s.seqlen_q; ++i) expected.push_back(define(problem, q, k, v, b, h, i));
  }

  /// Largest errors of o relative to the largest |o|, and of lse relative to 1 + |lse|.
  std::pair<double, double> errors(const Tensor& o, const Tensor& lse) const {
    const auto& s = problem.shape;
    double worst = 0;
    double worst_lse = 0;
    double largest = 1e-3;
    const auto raise = [](double& maximum, double error) {
      maximum = std::isnan(error) ? kInf : std::max(maximum, error);
    };
    auto row = expected.begin();
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t h = 0; h < s.num_q_heads; ++h)
        for (std::int64_t i = 0; i < s.seqlen_q; ++i, ++row) {
          for (std::int64_t d = 0; d < s.head_dim_v; ++d) {
            const auto exact = row->o[static_cast<std::size_t>(d)];
            raise(worst, std::abs(o.at(b, h, i, d) - exact));
            largest = std::max(largest, std::abs(exact));
          }
          const auto got = lse.at(b, h, i, 0);
          if (problem.mechanism.is_softmax() && got != row->lse) {
            raise(worst_lse, std::abs(got - row->lse) / (1 + std::abs(row->lse)));
          }
        }
    return {worst / largest, worst_lse};
  }
};

void check(const UnfusedCase& c, const Example& example, int threads) {
  SCOPED_TRACE(testing::Message() << c.mechanism << "/" << c.kernel << " " << name(example.q.view.dtype)
                                  << " " << threads << " threads, q " << c.seqlen_q << " kv " << c.seqlen_kv
                                  << " keys " << c.keys);
  auto device = cpu_device(1);
  device.threads = threads;
  const auto& problem = example.problem;
  const auto& s = problem.shape;
  const auto& kernel = kernel_named(c);
  const bool converts = c.kernel == "unfused_f32";
  if (converts ? s.dtype_q == DType::f32 : s.dtype_q == DType::bf16 && !device.features.avx512) {
    EXPECT_FALSE(kernel.supports(problem, device));
    return;
  }
  ASSERT_TRUE(kernel.supports(problem, device)) << kernel.supports(problem, device).reason();

  const Tensor o(s.dtype_o, c.layout, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_v}, c.gap);
  const Tensor lse(DType::f32, Layout::bhsd, {s.batch, s.num_q_heads, s.seqlen_q, 1}, 0);
  Tensors tensors;
  tensors[Role::q] = example.q.view, tensors[Role::k] = example.k.view, tensors[Role::v] = example.v.view,
  tensors[Role::o] = o.view;
  if (problem.mechanism.is_softmax()) tensors[Role::lse] = lse.view;
  check_tensors(problem, tensors);

  const auto execution = kernel.prepare(problem, device);
  EXPECT_EQ(execution->workspace_bytes(), kernel.workspace_bytes(problem, device));
  run_once(*execution, problem, tensors, *device.make_queue());
  const auto [error, lse_error] = example.errors(o, lse);
  const std::map<DType, double> bound = {
      {DType::f32, 2e-5 * std::max(1.0, c.input_factor)}, {DType::bf16, 0.02}, {DType::f16, 0.0025}};
  EXPECT_LE(error, bound.at(s.dtype_q));
  EXPECT_LE(lse_error, 5e-6);
}

void check(const UnfusedCase& c, std::initializer_list<int> thread_counts = {1, 2}) {
  for (const auto dtype : kDTypes) {
    validate(c.problem(dtype));
    const Example example(c, dtype);
    for (const int threads : thread_counts) check(c, example, threads);
  }
}

struct UnfusedForm {
  std::string kernel, mechanism;
};
void PrintTo(const UnfusedForm& form, std::ostream* out) { *out << form.mechanism << "/" << form.kernel; }

class UnfusedForms : public testing::TestWithParam<UnfusedForm> {
 protected:
  UnfusedCase base() const { return {.kernel = GetParam().kernel, .mechanism = GetParam().mechanism}; }
};

TEST_P(UnfusedForms, MatchesTheDefinition) { check(base(), {1, 2, 3, 5}); }

TEST_P(UnfusedForms, LengthsOffEveryTile) {
  for (const std::int64_t n : {1, 7, 127, 130}) {
    auto c = base();
    c.seqlen_q = c.seqlen_kv = n;
    check(c);
  }
}

TEST_P(UnfusedForms, ManyQueriesOfFewKeysLeaveRowsWithoutAny) {
  auto c = base();
  c.seqlen_q = 40;
  c.seqlen_kv = 21;
  check(c);
}

TEST_P(UnfusedForms, DecodeWithAllAndWithFewerKeys) {
  for (const std::int64_t keys : {100, 99, 37, 1}) {
    for (const std::int64_t queries : {1, 5}) {
      auto c = base();
      c.seqlen_q = queries;
      c.seqlen_kv = 100;
      c.keys = keys;
      check(c);
    }
  }
}

TEST_P(UnfusedForms, StridedViewsInEitherLayout) {
  for (const auto layout : {Layout::bhsd, Layout::bshd}) {
    for (const std::int64_t gap : {0, 8}) {
      auto c = base();
      c.layout = layout;
      c.gap = gap;
      c.batch = 2;
      check(c);
    }
  }
}

TEST_P(UnfusedForms, GroupsOfHeadsAndUnequalHeadDims) {
  auto c = base();
  const auto kind = parse_mechanism(c.mechanism).kind;
  c.heads = 6;
  c.batch = 3;
  if (kind != MechanismKind::mha && kind != MechanismKind::mqa) c.kv_heads = 2;
  c.head_dim_v = 48;
  check(c);
  c.head_dim_v = 20;
  c.head_dim_qk = 41;
  check(c);
}

TEST_P(UnfusedForms, LogitsBeyondTheRangeOfExp) {
  auto c = base();
  c.input_factor = 30;
  c.scale = 1;
  check(c);
}

TEST_P(UnfusedForms, ScalesThatAreNotPositive) {
  for (const double scale : {0.0, -0.3}) {
    auto c = base();
    c.scale = scale;
    c.seqlen_q = 35;
    check(c);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, UnfusedForms,
    testing::Values(UnfusedForm{"unfused", "mha"}, UnfusedForm{"unfused", "mha(causal)"},
                    UnfusedForm{"unfused", "gqa(kv=2)"}, UnfusedForm{"unfused", "gqa(kv=1,causal)"},
                    UnfusedForm{"unfused", "mqa"}, UnfusedForm{"unfused", "mqa(causal)"},
                    UnfusedForm{"unfused_f32", "mha"}, UnfusedForm{"unfused_f32", "mha(causal)"},
                    UnfusedForm{"unfused_f32", "gqa(kv=2,causal)"}, UnfusedForm{"unfused_f32", "mqa"},
                    UnfusedForm{"masked", "swa(w=8)"}, UnfusedForm{"masked", "swa(w=5,causal)"},
                    UnfusedForm{"gather", "swa(w=8)"}, UnfusedForm{"gather", "swa(w=5,causal)"},
                    UnfusedForm{"batched", "block_sparse(bs=8,globals=1)"},
                    UnfusedForm{"batched", "block_sparse(bs=5,globals=7,causal)"},
                    UnfusedForm{"batched", "block_sparse(bs=50,globals=0)"},
                    UnfusedForm{"two_gemm", "linear"}, UnfusedForm{"cumsum", "causal_linear"}));

/// Whether each element of o is the exact one rounded once, but for 1e-5.
bool is_rounded_once(const UnfusedCase& c, DType dtype, const CpuDevice& device) {
  const Example example(c, dtype);
  const auto& s = example.problem.shape;
  const Tensor o(dtype, c.layout, {s.batch, s.num_q_heads, s.seqlen_q, s.head_dim_v}, 0);
  Tensors tensors;
  tensors[Role::q] = example.q.view, tensors[Role::k] = example.k.view, tensors[Role::v] = example.v.view,
  tensors[Role::o] = o.view;
  const auto execution = kernel_named(c).prepare(example.problem, device);
  run_once(*execution, example.problem, tensors, *device.make_queue());
  bool rounded_once = true;
  for (std::int64_t h = 0; h < s.num_q_heads; ++h)
    for (std::int64_t i = 0; i < s.seqlen_q; ++i)
      for (std::int64_t d = 0; d < s.head_dim_v; ++d) {
        const auto exact =
            example.expected[static_cast<std::size_t>(h * s.seqlen_q + i)].o[static_cast<std::size_t>(d)];
        const auto bound = unit_in_last_place(dtype) / 2 * std::abs(exact) + 1e-5;
        rounded_once &= std::abs(o.at(0, h, i, d) - exact) <= bound;
      }
  return rounded_once;
}

/// Products of bf16 would round the weights between them.
TEST(UnfusedF32, RoundsNothingButItsResult) {
  auto device = cpu_device(1);
  UnfusedCase c{.kernel = "unfused_f32", .mechanism = "gqa(kv=2,causal)", .heads = 4, .kv_heads = 2};
  c.seqlen_q = c.seqlen_kv = 130;
  EXPECT_TRUE(is_rounded_once(c, DType::f16, device));
  const bool has_products = device.features.avx512;
  device.features.avx512 = false;
  EXPECT_TRUE(is_rounded_once(c, DType::bf16, device));
  if (!has_products) return;
  device.features.avx512 = true;
  c.kernel = "unfused";
  EXPECT_FALSE(is_rounded_once(c, DType::bf16, device)) << "else the above would show nothing";
}

TEST(UnfusedF32, IsThereWhereTheCpuHasNoBf16Products) {
  auto device = cpu_device(1);
  device.features.avx512 = false;
  UnfusedCase c{.kernel = "unfused_f32", .mechanism = "mha"};
  EXPECT_TRUE(kernel_named(c).supports(c.problem(DType::bf16), device));
  EXPECT_EQ(kernel_named(c).supports(c.problem(DType::f32), device).reason(),
            "converts types of two bytes to f32; of f32 there is nothing to convert");
  auto mixed = c.problem(DType::bf16);
  mixed.shape.dtype_o = DType::f32;
  EXPECT_EQ(kernel_named(c).supports(mixed, device).reason(), "needs one element type for q, k, v and o");
  c.kernel = "unfused";
  EXPECT_FALSE(kernel_named(c).supports(c.problem(DType::bf16), device));
}

/// By hand: 2 heads, 3 queries and 3 keys, head dims 4 and 8, bf16.
TEST(UnfusedF32, CountsItsConversions) {
  UnfusedCase c{.kernel = "unfused_f32", .mechanism = "gqa(kv=1)", .seqlen_q = 3, .seqlen_kv = 3};
  c.head_dim_qk = 4, c.head_dim_v = 8, c.kv_heads = 1;
  const auto& kernel = kernel_named(c);
  const auto problem = c.problem(DType::bf16);
  EXPECT_EQ(kernel.executed_flops(problem), 2 * 2 * 3 * 3 * (4 + 8));
  const double q = 2 * 3 * 4, o = 2 * 3 * 8, k = 3 * 4, v = 3 * 8;  // elements
  const double converted = (2 + 4) * (q + k + v + o);
  const double repeated = 3 * 2 * 4 * (k + v);    // each head's K and V read, written, read
  const double scores = 2 * 2 * 3 * 3 * (4 + 4);  // written and read, as scores and as weights
  EXPECT_EQ(*kernel.moved_bytes(problem), converted + 4 * (q + o) + repeated + scores);
}

}  // namespace
}  // namespace attnbench
