// Engine mlx, where its module is built: which libraries answer, on which threads, and what a call gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::StartsWith;

class Mlx : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& engine : missing_engines()) {
      if (engine.name == "mlx") GTEST_SKIP() << engine.reason;
    }
  }
};

const KernelInfo& mlx_kernel(const std::string& mechanism, const std::string& kernel) {
  const auto* found = find_kernel({parse_mechanism(mechanism), kernel, "mlx", ""});
  if (found == nullptr) throw std::runtime_error("no kernel " + kernel + "@mlx");
  return *found;
}

/// One head of dimension 1: o = sum of weights times values.
Problem one_head(const std::string& mechanism, std::int64_t queries, std::int64_t keys) {
  Problem problem;
  auto& s = problem.shape;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.head_dim_qk = s.head_dim_v = 1;
  s.softmax_scale = 1;
  problem.phase = queries == keys ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), 1, 0);
  return problem;
}

struct Data {
  std::vector<float> q, k, v, o, lse;
  Tensors tensors() {
    const auto view = [](std::vector<float>& x) {
      return dense_view(x.data(), DType::f32, Layout::bhsd, 1, 1, static_cast<std::int64_t>(x.size()), 1);
    };
    Tensors t;
    t[Role::q] = view(q);
    t[Role::k] = view(k);
    t[Role::v] = view(v);
    t[Role::o] = view(o);
    if (!lse.empty()) t[Role::lse] = view(lse);
    return t;
  }
};

auto Near(const std::vector<float>& expected, float error) {
  return testing::Pointwise(testing::FloatNear(error), expected);
}

TEST_F(Mlx, SaysWhichLibrariesAnswer) {
  const auto libraries = engine_libraries();
  ASSERT_THAT(libraries, AllOf(Contains(Key("mlx")), Contains(Key("mlx_blas")), Contains(Key("mlx_module"))));
  EXPECT_THAT(libraries.at("mlx"), HasSubstr("(MLX_ENABLE_TF32=0)"));
  EXPECT_THAT(libraries.at("mlx_blas"), StartsWith("OpenBLAS "));
  EXPECT_EQ(libraries.at("mlx_module").size(), 16u);
  for (const auto& [name, version] : libraries)
    EXPECT_EQ(version.find('/'), std::string::npos) << name << ": no path is stored";
}

// Scores are q k = 0, ln 3: weights 1/4 and 3/4, the log-sum-exp ln 4.
TEST_F(Mlx, ComputesWhatAHandDoes) {
  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  Data data{{1}, {0, std::log(3.0f)}, {8, 4}, {0}, {0}};
  for (const char* name : {"unfused", "sdpa_fallback"}) {
    const auto& kernel = mlx_kernel("mha", name);
    const auto problem = one_head("mha", 1, 2);
    ASSERT_TRUE(kernel.supports(problem, device)) << kernel.supports(problem, device).reason();
    run_once(*kernel.prepare(problem, device), problem, data.tensors(), *queue);
    EXPECT_NEAR(data.o[0], 5, 1e-5) << name;
    EXPECT_NEAR(data.lse[0], std::log(4.0), 1e-5) << name;
  }
}

// q = 0 weighs visible keys the same: window 2 reaches one key to each side. The first query is before all
// keys.
TEST_F(Mlx, EveryWindowFormSeesTheWindow) {
  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  for (const char* name : {"masked", "gather", "gather_view", "sdpa_fallback"}) {
    Data data{{0, 0, 0, 0}, {5, 6, 7}, {3, 6, 12}, {-1, -1, -1, -1}, {0, 0, 0, 0}};
    const auto problem = one_head("swa(w=2)", 4, 3);
    run_once(*mlx_kernel("swa(w=2)", name).prepare(problem, device), problem, data.tensors(), *queue);
    EXPECT_THAT(data.o, Near({0, 4.5, 7, 9}, 1e-5f)) << name;
    EXPECT_EQ(data.lse[0], -INFINITY) << name;
    EXPECT_NEAR(data.lse[2], std::log(3.0), 1e-6) << name;
  }
}

// Blocks of 2, key 0 global: query 3 sees keys 0, 2, 3; query 0 sees all.
TEST_F(Mlx, BlocksAndGlobalKeysShareOneSoftmax) {
  const auto device = cpu_device(1);
  Data data{{0, 0, 0, 0, 0}, {1, 2, 3, 4, 5}, {3, 6, 9, 12, 15}, {0, 0, 0, 0, 0}, {}};
  const auto problem = one_head("block_sparse(bs=2,globals=1)", 5, 5);
  run_once(*mlx_kernel("block_sparse(bs=2,globals=1)", "batched").prepare(problem, device), problem,
           data.tensors(), *device.make_queue());
  EXPECT_THAT(data.o, Near({9, 4.5, 8, 8, 9}, 1e-5f));
}

// Window 2 reaches one key to each side. The first query weighs its padding as it weighs the keys, for the
// last the padding's score is +1e9; the publication gives the values there as 0.
TEST_F(Mlx, ThePublishedWindowsCountTheirPadding) {
  const auto device = cpu_device(1);
  Data data{{0, 1, -1}, {0, 0, 0}, {3, 6, 12}, {-1, -1, -1}, {}};
  const auto problem = one_head("swa(w=2)", 3, 3);
  const auto& kernel = mlx_kernel("swa(w=2)", "gather_published");
  ASSERT_TRUE(kernel.supports(problem, device)) << kernel.supports(problem, device).reason();
  run_once(*kernel.prepare(problem, device), problem, data.tensors(), *device.make_queue());
  EXPECT_THAT(data.o, Near({3, 7, 0}, 1e-5f));
  EXPECT_THAT(kernel.other_function(problem), HasSubstr("-1e9"));
  EXPECT_EQ(mlx_kernel("swa(w=2)", "gather").other_function(problem), "");
  EXPECT_EQ(kernel.supports(one_head("swa(w=2,causal)", 3, 3), device).reason(),
            "what was published has no causal form");
  EXPECT_EQ(kernel.supports(one_head("swa(w=2)", 1, 3), device).reason(),
            "what was published covers prefill only");
}

// Means of the values in a block, 4.5, 10.5 and 15, each averaged with that of the global key, 3.
TEST_F(Mlx, ThePublishedBlocksAverageTwoSoftmaxes) {
  const auto device = cpu_device(1);
  Data data{{0, 0, 0, 0, 0}, {1, 2, 3, 4, 5}, {3, 6, 9, 12, 15}, {0, 0, 0, 0, 0}, {}};
  const auto problem = one_head("block_sparse(bs=2,globals=1)", 5, 5);
  const auto& kernel = mlx_kernel("block_sparse(bs=2,globals=1)", "batched_published");
  ASSERT_TRUE(kernel.supports(problem, device)) << kernel.supports(problem, device).reason();
  run_once(*kernel.prepare(problem, device), problem, data.tensors(), *device.make_queue());
  EXPECT_THAT(data.o, Near({3.75, 3.75, 6.75, 6.75, 9}, 1e-5f));
  EXPECT_FALSE(kernel.computes_lse());
  EXPECT_THAT(kernel.other_function(problem), HasSubstr("mean of two softmaxes"));
}

// phi(0) = 1 and phi(1) = 2: keys weigh 1 and 2.
TEST_F(Mlx, LinearFormsUseEluPlusOne) {
  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  Data data{{0, 0}, {0, 1}, {3, 9}, {0, 0}, {}};
  const auto linear = one_head("linear", 2, 2);
  run_once(*mlx_kernel("linear", "two_gemm").prepare(linear, device), linear, data.tensors(), *queue);
  EXPECT_THAT(data.o, Near({7, 7}, 1e-4f));
  const auto causal = one_head("causal_linear", 2, 2);
  run_once(*mlx_kernel("causal_linear", "cumsum").prepare(causal, device), causal, data.tensors(), *queue);
  EXPECT_THAT(data.o, Near({3, 7}, 1e-4f));
}

TEST_F(Mlx, ACallFollowsWhatWasWrittenAndIsOverWhenItReturns) {
  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  Data data{{1}, {0, 0}, {2, 4}, {0}, {}};
  const auto problem = one_head("mha", 1, 2);
  const auto tensors = data.tensors();
  const auto execution = mlx_kernel("mha", "unfused").prepare(problem, device);
  const auto binding = execution->bind(tensors);
  Binding* const bindings[] = {binding.get()};
  EXPECT_EQ(execution->time(bindings, 3, *queue).runs, 3);
  binding->read(Role::o);
  EXPECT_FLOAT_EQ(data.o[0], 3);
  data.v = {10, 20};
  binding->write(Role::v);
  binding->poison(Role::o);
  EXPECT_TRUE(std::isnan(data.o[0]));
  binding->read(Role::o);
  EXPECT_TRUE(std::isnan(data.o[0])) << "the output of the call before is still there";
  execution->time(bindings, 1, *queue);
  binding->read(Role::o);
  EXPECT_FLOAT_EQ(data.o[0], 15);
}

TEST_F(Mlx, FastAttentionFallsBackOnTheCpuAndSaysSo) {
  const auto device = cpu_device(1);
  Data data{{1}, {0, 0}, {2, 4}, {0}, {}};
  const auto problem = one_head("mha", 1, 2);
  const auto& kernel = mlx_kernel("mha", "sdpa_fallback");
  const auto execution = kernel.prepare(problem, device);
  run_once(*execution, problem, data.tensors(), *device.make_queue());
  EXPECT_EQ(execution->implementation().ran, "fallback: unfused operations");
  EXPECT_EQ(kernel.implementation(), execution->implementation().ran);
  EXPECT_EQ(mlx_kernel("mha", "sdpa").supports(problem, device).reason(),
            "MLX has no fused attention on the CPU");
}

TEST_F(Mlx, FusedAttentionClaimsUnderACausalMaskNoMoreThanAnyNeeds) {
  auto problem = one_head("mha(causal)", 8, 8);  // 36 pairs of (1 + 1) products of 2
  EXPECT_EQ(mlx_kernel("mha(causal)", "sdpa").executed_flops(problem), 36 * 4);
  EXPECT_EQ(mlx_kernel("mha", "sdpa").executed_flops(one_head("mha", 8, 8)), 64 * 4);
  // A window is an array as a mask: all pairs.
  EXPECT_EQ(mlx_kernel("swa(w=3)", "sdpa").executed_flops(one_head("swa(w=3)", 8, 8)), 64 * 4);
  problem.scope = Scope::layer;
  problem.shape.d_model = 2;
  // Each of 8 tokens: Q, K, V and O by weights of 2 x 1.
  EXPECT_EQ(mlx_kernel("mha(causal)", "sdpa").executed_flops(problem), 36 * 4 + 8 * 4 * 2 * 2);
}

struct Thread {
  std::string id;
  char state = '?';  ///< 'S': asleep
};

std::vector<Thread> threads_of_process() {
  std::vector<Thread> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(entry.path() / "stat");
    std::string stat;
    std::getline(in, stat);
    const auto name_end = stat.rfind(')');
    threads.push_back(
        {entry.path().filename().string(), name_end == std::string::npos ? '?' : stat[name_end + 2]});
  }
  return threads;
}

// MLX's stream and OpenBLAS have two threads for a device of two; between calls both sleep.
TEST_F(Mlx, ItsThreadsAreThoseOfTheDeviceAndSleepBetweenCalls) {
  auto device = cpu_device(1);
  device.threads = 2;
  std::set<std::string> before;
  for (const auto& thread : threads_of_process()) before.insert(thread.id);
  Problem problem = one_head("mha", 256, 256);
  problem.shape.head_dim_qk = problem.shape.head_dim_v = 64;
  std::vector<float> q(256 * 64, 0.5f), o(q.size());
  const auto view = [](std::vector<float>& x) {
    return dense_view(x.data(), DType::f32, Layout::bhsd, 1, 1, 256, 64);
  };
  Tensors tensors;
  tensors[Role::q] = tensors[Role::k] = tensors[Role::v] = view(q);
  tensors[Role::o] = view(o);
  const auto execution = mlx_kernel("mha", "unfused").prepare(problem, device);
  run_once(*execution, problem, tensors, *device.make_queue());

  // In one process with other tests they may be there already.
  std::vector<std::string> own;
  for (const auto& thread : threads_of_process()) {
    if (!before.contains(thread.id)) own.push_back(thread.id);
  }
  EXPECT_LE(own.size(), 2u);
  const auto awake = [&] {
    const auto threads = threads_of_process();
    return std::any_of(threads.begin(), threads.end(), [&](const Thread& thread) {
      return std::find(own.begin(), own.end(), thread.id) != own.end() && thread.state != 'S';
    });
  };
  for (int looks = 0; looks < 3000 && awake(); ++looks)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(awake());
}

TEST_F(Mlx, SaysWhyItComputesSomethingNot) {
  const auto device = cpu_device(1);
  const auto& kernel = mlx_kernel("mha", "unfused");
  auto problem = one_head("mha", 2, 2);
  problem.shape.dtype_o = DType::bf16;
  EXPECT_EQ(kernel.supports(problem, device).reason(), "needs one element type for q, k, v and o");
  problem = one_head("mha", 2, 2);
  problem.shape.seqlens_kv = {1};
  EXPECT_EQ(kernel.supports(problem, device).reason(), "one length for the whole batch only (seqlens_kv)");
}

TEST_F(Mlx, FastAttentionIsNotOfferedWhereItsRoundingIsTooCoarse) {
  const auto device = cpu_device(1);
  const auto& kernel = mlx_kernel("mha", "sdpa_fallback");
  auto problem = one_head("mha", 2, 2);
  problem.shape.softmax_scale = -0.125;
  EXPECT_TRUE(kernel.supports(problem, device));
  problem.shape.softmax_scale = 0.1;
  EXPECT_THAT(kernel.supports(problem, device).reason(), HasSubstr("multiplies Q by the scale first"));
  problem.shape.softmax_scale = 0.125;
  problem.shape.dtype_q = problem.shape.dtype_kv = problem.shape.dtype_o = DType::bf16;
  EXPECT_THAT(kernel.supports(problem, device).reason(), HasSubstr("rounds scores to bf16"));
  EXPECT_TRUE(mlx_kernel("mha", "unfused").supports(problem, device));
}

}  // namespace
}  // namespace attnbench
