#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/buffer.h"
#include "reference/inputs.h"
#include "reference/oracle.h"
#include "run/verification/check.h"

namespace attnbench {
namespace {

/// Two of everything: batch entries, query heads, kv heads.
Problem two_of_each(Scope scope) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = s.num_q_heads = 2;
  s.seqlen_q = s.seqlen_kv = 5;
  s.head_dim_qk = s.head_dim_v = 16;
  s.softmax_scale = 0.25;
  s.d_model = scope == Scope::layer ? 24 : 0;
  problem.scope = scope;
  problem.mechanism = bind_kv_heads(parse_mechanism("gqa(kv=2)"), 2, 2);
  return problem;
}

std::string problem_with(const Problem& problem, const Tensors& tensors) {
  try {
    check_tensors(problem, tensors);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

std::vector<const KernelInfo*> computing(MechanismKind kind) {
  std::vector<const KernelInfo*> result;
  for (const auto* kernel : kernels()) {
    const auto kinds = kernel->mechanisms();
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) result.push_back(kernel);
  }
  return result;
}

struct NamedRole {
  std::string name;
  Role role;
};
const std::vector<NamedRole> kCoreInputs = {{"q", Role::q}, {"k", Role::k}, {"v", Role::v}};
const std::vector<NamedRole> kWeights = {
    {"wq", Role::wq}, {"wk", Role::wk}, {"wv", Role::wv}, {"wo", Role::wo}};

/// Each role in turn with one stride set, everything else as it was.
void expect_rejected(Scope scope, const std::vector<NamedRole>& roles, std::size_t dimension,
                     const std::function<std::int64_t(const TensorView&)>& stride, const std::string& words) {
  const auto problem = two_of_each(scope);
  const auto data = reference::make_data(problem, reference::InputKind::normal, 1, scope == Scope::core);
  ASSERT_EQ(problem_with(problem, data.tensors), "");
  for (const auto& role : roles) {
    auto tensors = data.tensors;
    auto& view = tensors[role.role];
    view.strides[dimension] = stride(view);
    const auto field = role.name + ".strides[" + std::to_string(dimension) + "]";
    EXPECT_THAT(
        problem_with(problem, tensors),
        testing::AllOf(testing::HasSubstr(field), testing::HasSubstr(std::to_string(view.strides[dimension])),
                       testing::HasSubstr(words)))
        << role.name;
  }
}

TEST(CheckTensors, RowsMustNotOverlap) {
  auto core = kCoreInputs;
  core.push_back({"o", Role::o});
  auto layer = kWeights;
  layer.push_back({"x", Role::x});
  layer.push_back({"o", Role::o});
  for (const auto& [scope, roles] : {std::pair(Scope::core, core), std::pair(Scope::layer, layer)}) {
    expect_rejected(scope, roles, 2, [](const TensorView&) { return 0; }, "width of a row");
    expect_rejected(
        scope, roles, 2, [](const TensorView& view) { return view.sizes[3] - 1; }, "width of a row");
    expect_rejected(scope, roles, 2, [](const TensorView& view) { return -view.sizes[3]; }, "negative");
  }
  expect_rejected(
      Scope::core, {{"lse", Role::lse}}, 2, [](const TensorView&) { return 0; }, "width of a row");
}

TEST(CheckTensors, NoStrideIsNegativeOrBeyondAllMemory) {
  auto core = kCoreInputs;
  core.push_back({"o", Role::o});
  core.push_back({"lse", Role::lse});
  const std::vector<NamedRole> layer = {{"x", Role::x}, {"o", Role::o}};
  for (const auto dimension : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    expect_rejected(Scope::core, core, dimension, [](const TensorView&) { return -80; }, "negative");
    expect_rejected(
        Scope::core, core, dimension, [](const TensorView&) { return std::int64_t{1} << 62; }, "beyond");
  }
  for (const auto dimension : {std::size_t{0}, std::size_t{2}}) {
    expect_rejected(Scope::layer, layer, dimension, [](const TensorView&) { return -80; }, "negative");
  }
}

TEST(CheckTensors, AnOutputMustNotOverlapItself) {
  const std::vector<NamedRole> outputs = {{"o", Role::o}, {"lse", Role::lse}};
  for (const auto dimension : {std::size_t{0}, std::size_t{1}}) {
    expect_rejected(Scope::core, outputs, dimension, [](const TensorView&) { return 0; }, "overlaps itself");
  }
  // 5 rows of 16: 79 of 80 elements.
  expect_rejected(
      Scope::core, {{"o", Role::o}}, 1, [](const TensorView&) { return 79; }, "below the 80 elements");
  expect_rejected(
      Scope::layer, {{"o", Role::o}}, 0, [](const TensorView&) { return 119; }, "below the 120 elements");
}

TEST(CheckTensors, StridesOfOneEntrySayNothing) {
  auto problem = two_of_each(Scope::core);
  problem.shape.batch = problem.shape.seqlen_q = problem.shape.seqlen_kv = 1;
  auto data = reference::make_data(problem, reference::InputKind::normal, 1, true);
  for (auto* view : {&data.tensors[Role::q], &data.tensors[Role::k], &data.tensors[Role::v],
                     &data.tensors[Role::o], &data.tensors[Role::lse]}) {
    view->strides[0] = -7;
    view->strides[2] = 0;
  }
  EXPECT_EQ(problem_with(problem, data.tensors), "");
}

/// Every tensor of the problem, far from the others: what reaches beyond one of them reaches no other.
struct FarApart {
  static constexpr std::int64_t kRoom = 1 << 14;  ///< floats
  explicit FarApart(const Problem& problem) : memory(static_cast<std::size_t>(kRoom) * kAllRoles.size()) {
    for (const auto& spec : roles_of(problem))
      tensors[spec.role] = dense_view(memory.data() + kRoom * static_cast<std::int64_t>(spec.role), spec);
  }
  std::vector<float> memory;
  Tensors tensors;
};

TEST(CheckTensors, OutputsShareMemoryWithNothing) {
  const auto problem = two_of_each(Scope::core);
  const FarApart data(problem);
  ASSERT_EQ(problem_with(problem, data.tensors), "");
  for (const auto& role : kCoreInputs) {
    auto tensors = data.tensors;
    tensors[Role::o].data = tensors[role.role].row<float>(1, 1, 4) + 15;  // the last element of the input
    EXPECT_THAT(problem_with(problem, tensors), testing::HasSubstr("overlaps " + role.name));
    tensors = data.tensors;
    tensors[Role::lse].data = tensors[role.role].data;
    EXPECT_THAT(problem_with(problem, tensors), testing::HasSubstr("overlaps " + role.name));
  }
  auto tensors = data.tensors;
  tensors[Role::lse].data = tensors[Role::o].data;
  EXPECT_THAT(problem_with(problem, tensors), testing::HasSubstr("overlaps o"));

  const auto layer = two_of_each(Scope::layer);
  const FarApart layer_data(layer);
  auto roles = kWeights;
  roles.push_back({"x", Role::x});
  for (const auto& role : roles) {
    auto aliased = layer_data.tensors;
    aliased[Role::o].data = aliased[role.role].data;
    EXPECT_THAT(problem_with(layer, aliased), testing::HasSubstr("overlaps " + role.name));
  }
}

/// What is accepted must be computed: q, k and v of all heads and batch entries in one place, inputs as one
/// tensor.
TEST(CheckTensors, EveryKernelReadsSharedInputs) {
  for (const auto dtype : kDTypes) {
    for (const char* text :
         {"gqa(kv=2)", "swa(w=3)", "block_sparse(bs=2,globals=1)", "linear", "causal_linear"}) {
      auto problem = two_of_each(Scope::core);
      problem.mechanism = bind_kv_heads(parse_mechanism(text), 2, 2);
      auto& s = problem.shape;
      s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
      auto data = reference::make_data(problem, reference::InputKind::normal, 1, true);
      auto& t = data.tensors;
      for (auto* view : {&t[Role::q], &t[Role::k], &t[Role::v]}) view->strides[0] = view->strides[1] = 0;
      t[Role::v].data = t[Role::q].data;
      ASSERT_EQ(problem_with(problem, t), "");
      const auto expected = expect(problem, t, reference::sample_rows(problem));
      for (const auto* kernel : computing(problem.mechanism.kind)) {
        if (!kernel->supports(problem, cpu_device(1)) || !kernel->other_function(problem).empty()) continue;
        EXPECT_EQ(check_kernel(*kernel, problem, cpu_device(1), t, expected).reason, "")
            << kernel_id(problem.mechanism, *kernel);
      }
    }
  }
}

/// Strides of single rows, which say nothing, and one x for the whole batch.
TEST(CheckTensors, EveryLayerReadsSharedAndSingleRows) {
  for (const std::int64_t seqlen : {1, 5}) {
    auto problem = two_of_each(Scope::layer);
    problem.shape.seqlen_q = problem.shape.seqlen_kv = seqlen;
    auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
    auto& t = data.tensors;
    t[Role::x].strides[0] = 0;
    if (seqlen == 1) t[Role::x].strides[2] = t[Role::o].strides[2] = 0;
    ASSERT_EQ(problem_with(problem, t), "");
    const auto expected = expect(problem, t, reference::sample_rows(problem));
    for (const auto* kernel : computing(problem.mechanism.kind)) {
      if (!kernel->supports(problem, cpu_device(1))) continue;
      EXPECT_EQ(check_kernel(*kernel, problem, cpu_device(1), t, expected).reason, "")
          << kernel_id(problem.mechanism, *kernel);
    }
  }
}

}  // namespace
}  // namespace attnbench
