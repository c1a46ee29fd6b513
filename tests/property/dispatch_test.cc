// Whatever the problem, the profile and the policy: no kernel is chosen that does not support the problem,
// computes another mechanism, or that the policy rules out; and where one may be used, one is.
#include "attnbench/dispatch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/kernel_name.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "support/command.h"
#include "support/profiles.h"

namespace attnbench {
namespace {

/// Kernels of the CPU's paths are refused by hand-made features, not by what this machine has.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound));
  }
  template <typename T>
  T one_of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<std::int64_t>(list.size())))];
  }
  std::int64_t size(std::int64_t most) {
    return std::clamp<std::int64_t>(
        std::llround(std::exp2(std::uniform_real_distribution<double>(0, std::log2(most))(random_))), 1,
        most);
  }

  Mechanism mechanism(std::int64_t heads) {
    Mechanism m;
    m.kind = one_of(all_mechanism_kinds());
    if (m.kind == MechanismKind::gqa) m.num_kv_heads = heads % 2 == 0 ? heads / 2 : heads;
    if (m.kind == MechanismKind::swa) m.window = size(600);
    if (m.kind == MechanismKind::block_sparse) m.block_size = size(128), m.globals = below(3);
    if (m.is_softmax()) m.causal_bottom_right = below(2) == 0;
    return bind_kv_heads(m, heads, 0);
  }

  Problem problem() {
    Problem p;
    auto& s = p.shape;
    s.batch = size(4);
    s.num_q_heads = size(16);
    s.seqlen_kv = size(3000);
    s.seqlen_q = below(2) == 0 ? s.seqlen_kv : size(64);
    s.head_dim_qk = one_of<std::int64_t>({1, 16, 40, 64, 80, 128, 256, 300});
    s.head_dim_v = below(3) == 0 ? one_of<std::int64_t>({1, 16, 64, 128}) : s.head_dim_qk;
    s.dtype_q = one_of<DType>({kDTypes.begin(), kDTypes.end()});
    s.dtype_kv = below(8) == 0 ? DType::f32 : s.dtype_q;
    s.dtype_o = below(8) == 0 ? DType::f32 : s.dtype_q;
    s.layout = below(3) == 0 ? Layout::bshd : Layout::bhsd;
    s.softmax_scale = one_of<double>({0.125, 1, 0, -0.5, 1e30});
    if (below(4) == 0) {
      for (std::int64_t b = 0; b < s.batch; ++b) s.seqlens_kv.push_back(below(s.seqlen_kv + 1));
    }
    p.phase = s.seqlen_q == s.seqlen_kv ? Phase::prefill : Phase::decode;
    if (below(5) == 0) {
      p.scope = Scope::layer;
      s.d_model = size(512);
      s.seqlen_q = s.seqlen_kv;
      p.phase = Phase::prefill;
    }
    p.mechanism = mechanism(s.num_q_heads);
    return p;
  }

  /// Random verdicts and times of every kernel for such problems.
  CostProfile profile(const CpuDevice& device) {
    CostProfile profile;
    profile.origin = origin_here(device);
    for (int i = 0; i < 60; ++i) {
      const auto p = problem();
      if (!p.shape.seqlens_kv.empty()) continue;
      for (const auto* kernel : kernels()) {
        if (!computes(*kernel, p.mechanism.kind) || below(3) == 0) continue;
        const auto name = implementation_name(kernel->kernel(), kernel->engine(), kernel->path());
        const auto known = [&](const VerifiedKernel& v) { return v.kernel == name && v.kind == kind_of(p); };
        if (!std::any_of(profile.verified.begin(), profile.verified.end(), known))
          profile.verified.push_back({name, kind_of(p), below(2) == 0});
        const auto cost = MeasuredCost{name,
                                       p,
                                       device.threads,
                                       std::exp2(-static_cast<double>(below(20))),
                                       0.01 * static_cast<double>(below(10)),
                                       3};
        const auto same = [&](const MeasuredCost& c) { return c.kernel == name && c.problem == p; };
        if (!std::any_of(profile.costs.begin(), profile.costs.end(), same)) profile.costs.push_back(cost);
      }
    }
    return profile;
  }

 private:
  std::mt19937_64 random_;
};

class DispatchLaws : public testing::TestWithParam<std::uint64_t> {};

TEST_P(DispatchLaws, ChosenKernelsMayBeUsed) {
  Draw draw(GetParam());
  CpuDevice device = test::device_of(static_cast<int>(draw.size(8)));
  if (cpu_features().neon) {  // where oneDNN has not what features of x86 promise
    device.features = {.neon = true, .neon_bf16 = draw.below(2) == 0, .neon_fhm = draw.below(2) == 0};
  } else {
    const bool avx512 = draw.below(2) == 0;
    device.features = {.sse42 = true,
                       .avx2 = true,
                       .avx512 = avx512,
                       .avx512_bf16 = avx512 && draw.below(2) == 0,
                       .amx_bf16 = avx512 && draw.below(2) == 0};
  }
  const testing_support::TemporaryDirectory directory;
  Policy policy;
  const auto profile = draw.profile(device);
  if (draw.below(4) != 0) {
    policy.profile = directory.file("profile.json");
    write_text_file(policy.profile, to_text(profile));
  }
  policy.deterministic = draw.below(4) == 0;
  if (draw.below(3) == 0) policy.byte_limit = draw.size(100'000'000);
  if (draw.below(3) == 0) policy.denied = {"fused@cpu:portable"};
  const Dispatcher dispatcher(device, policy);
  EXPECT_EQ(dispatcher.profile_state(), policy.profile.empty() ? ProfileState::none : ProfileState::trusted)
      << dispatcher.profile_problem();

  int chosen = 0;
  for (int i = 0; i < 150; ++i) {
    const auto problem = draw.problem();
    std::vector<Mechanism> allowed;
    for (auto n = draw.below(4); n > 0; --n) allowed.push_back(draw.mechanism(problem.shape.num_q_heads));
    const auto decision = dispatcher.choose(problem, allowed);
    const auto again = dispatcher.choose(problem, allowed);
    EXPECT_EQ(again.kernel, decision.kernel);
    EXPECT_EQ(again.mechanism, decision.mechanism);

    auto candidates = allowed;
    candidates.push_back(problem.mechanism);
    const auto usable = [&](const KernelInfo& kernel, const Mechanism& mechanism) {
      auto p = problem;
      p.mechanism = mechanism;
      if (!computes(kernel, mechanism.kind) || !kernel.supports(p, device)) return false;
      if (policy.byte_limit > 0 && kernel.workspace_bytes(p, device) > policy.byte_limit) return false;
      const auto name = implementation_name(kernel.kernel(), kernel.engine(), kernel.path());
      if (std::find(policy.denied.begin(), policy.denied.end(), name) != policy.denied.end()) return false;
      bool kind_known = false, passed = false, deterministic = false;
      for (const auto& v : profile.verified) {
        if (policy.profile.empty() || v.kind != kind_of(p)) continue;
        kind_known = true;
        if (v.kernel != name) continue;
        passed = true;
        deterministic = v.deterministic;
      }
      return (passed || !kind_known) && (deterministic || !policy.deterministic);
    };
    if (decision) {
      ++chosen;
      EXPECT_TRUE(usable(*decision.kernel, decision.mechanism)) << in_words(decision);
      EXPECT_NE(std::find(candidates.begin(), candidates.end(), decision.mechanism), candidates.end());
    } else {
      for (const auto& mechanism : candidates) {
        for (const auto* kernel : kernels())
          EXPECT_FALSE(usable(*kernel, mechanism))
              << kernel_id(mechanism, *kernel) << ": " << in_words(decision);
      }
    }
    EXPECT_FALSE(in_words(decision).empty());
  }
  if (!policy.deterministic && policy.byte_limit == 0) {
    EXPECT_GT(chosen, 60);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DispatchLaws, testing::Range<std::uint64_t>(1, 25));

}  // namespace
}  // namespace attnbench
