// Engine ggml, where its module is built: what a call gives, whatever the strides, and what ran.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/engine_module.h"
#include "core/system/parse.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class Ggml : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& engine : missing_engines()) {
      if (engine.name == "ggml") GTEST_SKIP() << engine.reason;
    }
  }
};

const KernelInfo& ggml_kernel(const std::string& kernel) {
  const auto* found = find_kernel({parse_mechanism("mha"), kernel, "ggml", ""});
  if (found == nullptr) throw std::runtime_error("no kernel " + kernel + "@ggml");
  return *found;
}

Problem ggml_problem(const std::string& mechanism, std::int64_t heads, std::int64_t queries,
                     std::int64_t keys, std::int64_t dim = 1) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = heads;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.head_dim_qk = s.head_dim_v = dim;
  s.softmax_scale = 1;
  problem.phase = queries == keys ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, 0);
  return problem;
}

/// One batch entry of one head, dimension 1.
TensorView column(std::vector<float>& values) {
  return dense_view(values.data(), DType::f32, Layout::bhsd, 1, 1, static_cast<std::int64_t>(values.size()),
                    1);
}

struct Columns {
  std::vector<float> q, k, v, o;
  Tensors tensors() {
    Tensors t;
    t[Role::q] = column(q);
    t[Role::k] = column(k);
    t[Role::v] = column(v);
    t[Role::o] = column(o);
    return t;
  }
};

TEST_F(Ggml, SaysWhatAnswersAndBringsNoSecondOpenMp) {
  const auto libraries = engine_libraries();
  EXPECT_THAT(libraries.at("ggml"), testing::MatchesRegex("[0-9.]+ \\(.+\\)"));
  EXPECT_EQ(libraries.at("ggml_module").size(), 16u);
#ifdef __linux__
  EXPECT_THAT(libraries.at("ggml"), HasSubstr("OPENMP"));
  std::ifstream in("/proc/self/maps");
  const std::string maps(std::istreambuf_iterator<char>(in), {});
  EXPECT_THAT(openmp_runtimes(maps), testing::SizeIs(1));
#endif
}

// Scores are q k = 0, ln 3: weights 1/4 and 3/4.
TEST_F(Ggml, ComputesWhatAHandDoesAndSaysWhatRan) {
  const auto device = cpu_device(1);
  const auto problem = ggml_problem("mha", 1, 1, 2);
  for (const char* name : {"unfused", "flash"}) {
    Columns data{{1}, {0, std::log(3.0f)}, {8, 4}, {0}};
    const auto& kernel = ggml_kernel(name);
    ASSERT_TRUE(kernel.supports(problem, device)) << kernel.supports(problem, device).reason();
    const auto execution = kernel.prepare(problem, device);
    run_once(*execution, problem, data.tensors(), *device.make_queue());
    EXPECT_NEAR(data.o[0], 5, 1e-5) << name;
    EXPECT_EQ(execution->implementation().ran, kernel.implementation());
    EXPECT_EQ(execution->workspace_bytes(), kernel.workspace_bytes(problem, device));
    EXPECT_FALSE(kernel.computes_lse());
  }
  EXPECT_EQ(ggml_kernel("flash").implementation(), "FLASH_ATTN_EXT");
}

// q = 0 weighs visible keys the same: window 2 reaches one key to each side. The first query is before all
// keys.
TEST_F(Ggml, SeesTheWindow) {
  const auto device = cpu_device(1);
  const auto problem = ggml_problem("swa(w=2)", 1, 4, 3);
  for (const char* name : {"unfused", "flash"}) {
    Columns data{{0, 0, 0, 0}, {5, 6, 7}, {3, 6, 12}, {-1, -1, -1, -1}};
    run_once(*ggml_kernel(name).prepare(problem, device), problem, data.tensors(), *device.make_queue());
    EXPECT_THAT(data.o, testing::Pointwise(testing::FloatNear(1e-5f), {0.0f, 4.5f, 7.0f, 9.0f})) << name;
  }
}

// Two heads of two queries and keys of width 2; heads lie apart, rows of o too. q = 0 gives the mean of V.
TEST_F(Ggml, TakesAnyStridesAndWritesNothingBetweenRows) {
  const auto device = cpu_device(2);
  const auto problem = ggml_problem("mha", 2, 2, 2, 2);
  for (const char* name : {"unfused", "flash"}) {
    std::vector<float> zeros(8, 0.0f), v = {1, 2, 10, 20, 3, 4, 30, 40}, o(12, -1.0f), dense(8, -1.0f);
    Tensors t;
    t[Role::q] = t[Role::k] = dense_view(zeros.data(), DType::f32, Layout::bhsd, 1, 2, 2, 2);
    t[Role::v] = dense_view(v.data(), DType::f32, Layout::bshd, 1, 2, 2, 2);
    t[Role::o] = TensorView{o.data(), DType::f32, {1, 2, 2, 2}, {12, 6, 3, 1}};
    const auto execution = ggml_kernel(name).prepare(problem, device);
    run_once(*execution, problem, t, *device.make_queue());
    EXPECT_THAT(o, ElementsAre(2, 3, -1, 2, 3, -1, 20, 30, -1, 20, 30, -1)) << name;
    t[Role::o] = dense_view(dense.data(), DType::f32, Layout::bshd, 1, 2, 2, 2);
    run_once(*execution, problem, t, *device.make_queue());
    EXPECT_THAT(dense, ElementsAre(2, 3, 20, 30, 2, 3, 20, 30)) << name;
    t[Role::o] = dense_view(dense.data(), DType::f32, Layout::bhsd, 1, 2, 2, 2);
    run_once(*execution, problem, t, *device.make_queue());
    EXPECT_THAT(dense, ElementsAre(2, 3, 2, 3, 20, 30, 20, 30)) << name;
  }
}

// Both heads read the same keys and values.
TEST_F(Ggml, TakesHeadsThatShareMemory) {
  const auto device = cpu_device(1);
  const auto problem = ggml_problem("mha", 2, 1, 2);
  for (const char* name : {"unfused", "flash"}) {
    std::vector<float> zeros(2, 0.0f), v = {3, 5}, o(2);
    Tensors t;
    t[Role::q] = TensorView{zeros.data(), DType::f32, {1, 2, 1, 1}, {0, 0, 1, 1}};
    t[Role::k] = TensorView{zeros.data(), DType::f32, {1, 2, 2, 1}, {0, 0, 1, 1}};
    t[Role::v] = TensorView{v.data(), DType::f32, {1, 2, 2, 1}, {0, 0, 1, 1}};
    t[Role::o] = dense_view(o.data(), DType::f32, Layout::bhsd, 1, 2, 1, 1);
    check_tensors(problem, t);
    run_once(*ggml_kernel(name).prepare(problem, device), problem, t, *device.make_queue());
    EXPECT_THAT(o, ElementsAre(4, 4)) << name;
  }
}

// A causal mask belongs to a number of keys: bindings of several share the rest.
TEST_F(Ggml, BindingsWithFewerKeysStandSideBySide) {
  const auto device = cpu_device(1);
  const auto problem = ggml_problem("mha(causal)", 1, 2, 4);
  for (const char* name : {"unfused", "flash"}) {
    Columns four{{0, 0}, {0, 0, 0, 0}, {3, 6, 9, 30}, {0, 0}};
    Columns two{{0, 0}, {0, 0}, {2, 4}, {0, 0}};
    const auto all = four.tensors(), fewer = two.tensors();
    const auto execution = ggml_kernel(name).prepare(problem, device);
    const auto first = execution->bind(all), second = execution->bind(fewer);
    Binding* const bindings[] = {first.get(), second.get()};
    const auto queue = device.make_queue();
    EXPECT_EQ(execution->time(bindings, 3, *queue).runs, 3);
    EXPECT_THAT(four.o, ElementsAre(6, 12)) << name;
    EXPECT_THAT(two.o, ElementsAre(2, 3)) << name;
    two.v = {20, 40};
    execution->time(bindings, 2, *queue);
    EXPECT_THAT(two.o, ElementsAre(20, 30)) << name;
  }
}

// Each query sees itself and 64 keys before it: a tile of 64 queries sees two tiles of keys, the first tile
// one.
TEST_F(Ggml, CountsTheTilesThatItComputes) {
  const auto problem = ggml_problem("swa(w=65,causal)", 1, 256, 256);
  EXPECT_EQ(ggml_kernel("flash").executed_flops(problem), 4.0 * 7 * 64 * 64);
  EXPECT_EQ(ggml_kernel("unfused").executed_flops(problem), 4.0 * 256 * 256);
}

TEST_F(Ggml, SaysWhyItComputesSomethingNot) {
  const auto device = cpu_device(1);
  auto problem = ggml_problem("mha", 1, 2, 2);
  problem.shape.seqlens_kv = {1};
  EXPECT_EQ(ggml_kernel("flash").supports(problem, device).reason(),
            "one length for the whole batch only (seqlens_kv)");
  problem.shape.seqlens_kv = {};
  problem.scope = Scope::layer;
  EXPECT_EQ(ggml_kernel("flash").supports(problem, device).reason(), "core scope only");
}

TEST(EngineModule, SaysWhatCannotBeLoadedWithoutAPath) {
  const auto module = load_engine_module("nothing");
  EXPECT_EQ(module.entry, nullptr);
  EXPECT_THAT(
      module.problem,
      StartsWith("the module of engine nothing cannot be loaded: libattnbench_nothing.so: cannot open"));
}

}  // namespace
}  // namespace attnbench
