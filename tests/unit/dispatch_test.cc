// What a dispatcher chooses and why, from profiles of known costs. Two kernels that every machine has are in
// them, so that the same is chosen everywhere.
#include "attnbench/dispatch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/kernel_name.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "support/allocations.h"
#include "support/command.h"
#include "support/profiles.h"

namespace attnbench {
namespace {

using test::attention_problem;
using test::device_of;
using test::measure_in;
using test::verify_in;
using testing::HasSubstr;
using testing_support::TemporaryDirectory;

const std::string kFusedName = "fused@cpu:portable";  // the default of the two
const std::string kUnfusedName = "unfused@cpu";

std::string name_of(const Decision& decision) {
  if (!decision) return "none";
  const auto& kernel = *decision.kernel;
  return implementation_name(kernel.kernel(), kernel.engine(), kernel.path());
}

class Dispatch : public testing::Test {
 protected:
  Dispatch() {
    for (const auto* variable : {"ATTNBENCH_PROFILE", "ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"})
      unsetenv(variable);
    profile_.origin = origin_here(device_);
  }
  ~Dispatch() override {
    for (const auto* variable : {"ATTNBENCH_PROFILE", "ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"})
      unsetenv(variable);
  }

  /// Both kernels passed; the unfused one takes `share` of the fused one's time.
  void measure_both(double share, double log_error = 0.002, const std::string& mechanism = "mha") {
    for (const auto& kernel : {kFusedName, kUnfusedName})
      verify_in(profile_, kernel, attention_problem(mechanism, 64));
    const auto fused = [](double n) { return 1e-6 + 1e-9 * n * n; };
    measure_in(profile_, kFusedName, mechanism, 2, fused, log_error);
    measure_in(profile_, kUnfusedName, mechanism, 2, [&](double n) { return share * fused(n); }, log_error);
  }
  std::string write(const CostProfile& profile) { return write_text(to_text(profile)); }
  std::string write_text(const std::string& text) {
    const auto file = directory_.file("profile.json");
    write_text_file(file, text);
    return file;
  }
  Decision choose(const Problem& problem, Policy policy = {}, std::span<const Mechanism> allowed = {}) {
    if (policy.profile.empty()) policy.profile = write(profile_);
    return Dispatcher(device_, policy).choose(problem, allowed);
  }

  TemporaryDirectory directory_;
  CpuDevice device_ = device_of(2);
  CostProfile profile_;
};

TEST_F(Dispatch, WithoutAProfileTheDocumentedDefault) {
  const Dispatcher dispatcher(device_);
  EXPECT_EQ(dispatcher.profile_state(), ProfileState::none);
  const auto decision = dispatcher.choose(attention_problem("mha", 256));
  EXPECT_EQ(decision.kernel->kernel(), "fused");
  EXPECT_EQ(decision.because.reason, Reason::default_unprofiled);
  EXPECT_FALSE(decision.because.verified);
  EXPECT_THAT(in_words(decision), HasSubstr("no profile of this machine was given"));
  // Fused kernels come first where there are some, else the first registered.
  EXPECT_EQ(dispatcher.choose(attention_problem("causal_linear", 256)).kernel->kernel(), "chunked");
  auto ragged = attention_problem("mha", 256);
  ragged.shape.seqlens_kv = {100};
  EXPECT_EQ(dispatcher.choose(ragged).kernel->kernel(), "fused");
}

TEST_F(Dispatch, AKernelOfAnotherFunctionIsNeverChosen) {
  const auto device = cpu_device(1);
  const auto problem = attention_problem("swa(w=64)", 128);
  const auto* published = find_kernel({problem.mechanism, "gather_published", "mlx", ""});
  if (published == nullptr || !published->supports(problem, device)) GTEST_SKIP() << "engine mlx is not here";
  Policy policy;
  policy.forced = "gather_published@mlx";
  const Dispatcher dispatcher(device, policy);
  EXPECT_FALSE(dispatcher.choose(problem)) << "forced or not";
  bool seen = false;
  for (const auto& candidate : dispatcher.candidates(problem)) {
    if (candidate.kernel != published) continue;
    seen = true;
    EXPECT_THAT(candidate.excluded, testing::StartsWith("computes another function: "));
  }
  EXPECT_TRUE(seen);
}

TEST_F(Dispatch, TheDefaultPathIsTheMostSpecialisedOne) {
  auto device = device_of(2);
  struct Expectation {
    CpuFeatures features;
    DType dtype;
    std::string path;
  };
  const Expectation machines[] = {
      {{.sse42 = true, .avx2 = true, .avx512 = true, .avx512_bf16 = true, .amx_bf16 = true},
       DType::bf16,
       "amx"},
      {{.sse42 = true, .avx2 = true, .avx512 = true, .avx512_bf16 = true}, DType::bf16, "avx512bf16"},
      {{.sse42 = true, .avx2 = true, .avx512 = true, .avx512_bf16 = true, .amx_bf16 = true},
       DType::f32,
       "avx512"},
      {{.sse42 = true, .avx2 = true}, DType::f32, "portable"}};
  for (const auto& [features, dtype, path] : machines) {
    device.features = features;
    const auto registered = kernels();
    const bool built = std::any_of(registered.begin(), registered.end(),
                                   [&, p = path](const KernelInfo* kernel) { return kernel->path() == p; });
    if (!built) continue;  // another architecture
    EXPECT_EQ(Dispatcher(device).choose(attention_problem("mha", 256, dtype)).kernel->path(), path);
  }
}

TEST_F(Dispatch, AFasterKernelTakesThePlaceOfTheDefault) {
  measure_both(0.5);
  const auto decision = choose(attention_problem("mha", 300));
  EXPECT_EQ(name_of(decision), kUnfusedName);
  EXPECT_EQ(decision.because.reason, Reason::faster);
  EXPECT_EQ(decision.because.profile, ProfileState::trusted);
  EXPECT_TRUE(decision.because.verified);
  EXPECT_EQ(decision.because.other->path(), "portable");
  EXPECT_NEAR(decision.because.ratio, 2, 0.1);
  EXPECT_LT(decision.because.ratio_low, 2);
  EXPECT_GT(decision.because.ratio_high, 2);
  EXPECT_NEAR(decision.because.seconds, 0.5 * (1e-6 + 1e-9 * 300 * 300), 3e-6);
  EXPECT_THAT(in_words(decision),
              HasSubstr("mha/unfused@cpu (not the default mha/fused@cpu:portable, which takes"));
}

TEST_F(Dispatch, TheDefaultStaysWithinTheBandAndWhereNothingIsShown) {
  measure_both(0.99);
  auto decision = choose(attention_problem("mha", 256));
  EXPECT_EQ(name_of(decision), kFusedName);
  EXPECT_EQ(decision.because.reason, Reason::default_stays);
  EXPECT_LT(decision.because.ratio, 1);
  profile_.costs.clear();
  profile_.verified.clear();
  measure_both(0.9, 0.2);  // 10 % faster, give or take 40 %
  decision = choose(attention_problem("mha", 256));
  EXPECT_EQ(name_of(decision), kFusedName);
  EXPECT_EQ(decision.because.reason, Reason::default_stays);
}

TEST_F(Dispatch, TheDefaultMayBeTheFastest) {
  measure_both(2);
  const auto decision = choose(attention_problem("mha", 256));
  EXPECT_EQ(name_of(decision), kFusedName);
  EXPECT_EQ(decision.because.reason, Reason::default_fastest);
  EXPECT_NEAR(decision.because.ratio, 2, 0.05);
  EXPECT_EQ(decision.because.other->kernel(), "unfused");
}

TEST_F(Dispatch, WhatWasNotMeasuredFallsToTheDefault) {
  measure_both(0.5);
  auto other_layout = attention_problem("mha", 256);
  other_layout.shape.layout = Layout::bshd;
  EXPECT_EQ(choose(other_layout).because.reason, Reason::default_unmeasured);
  EXPECT_FALSE(choose(other_layout).because.verified);
  EXPECT_EQ(choose(attention_problem("mha(causal)", 256)).because.reason, Reason::default_unmeasured);
  EXPECT_EQ(choose(attention_problem("mha", 8192)).because.reason, Reason::faster);  // an octave beyond
  EXPECT_EQ(choose(attention_problem("mha", 8193)).because.reason, Reason::default_out_of_range);
  device_.threads = 3;
  EXPECT_EQ(choose(attention_problem("mha", 256)).because.reason, Reason::default_unmeasured);
}

TEST_F(Dispatch, BetweenMeasuredThreadCountsTimesAreInterpolated) {
  for (const auto& kernel : {kFusedName, kUnfusedName})
    verify_in(profile_, kernel, attention_problem("mha", 64));
  const auto base = [](double n) { return 1e-9 * n * n; };
  for (const int threads : {1, 4}) {
    measure_in(profile_, kFusedName, "mha", threads, base);
    // Half the time on one thread, twice the time on four: even on two.
    measure_in(profile_, kUnfusedName, "mha", threads,
               [&](double n) { return base(n) * (threads == 1 ? 0.5 : 2); });
  }
  device_.threads = 1;
  EXPECT_EQ(name_of(choose(attention_problem("mha", 256))), kUnfusedName);
  device_.threads = 4;
  EXPECT_EQ(name_of(choose(attention_problem("mha", 256))), kFusedName);
  device_.threads = 2;
  const auto decision = choose(attention_problem("mha", 256));
  EXPECT_EQ(name_of(decision), kFusedName);
  EXPECT_NEAR(decision.because.ratio, 1, 0.02);
  device_.threads = 5;
  EXPECT_EQ(choose(attention_problem("mha", 256)).because.reason, Reason::default_unmeasured);
}

TEST_F(Dispatch, OnlyVerifiedKernelsAreCandidates) {
  measure_both(0.5);
  std::erase_if(profile_.verified, [](const VerifiedKernel& v) { return v.kernel == kUnfusedName; });
  const auto decision = choose(attention_problem("mha", 256));
  EXPECT_EQ(name_of(decision), kFusedName);
  EXPECT_EQ(decision.because.reason, Reason::only_candidate);
  const Dispatcher dispatcher(device_, {.profile = write(profile_)});
  const auto candidates = dispatcher.candidates(attention_problem("mha", 256));
  EXPECT_EQ(candidates.front().kernel, decision.kernel);
  for (const auto& candidate : candidates) {
    if (candidate.kernel->kernel() != "unfused" || candidate.kernel->engine() != "cpu") continue;
    EXPECT_EQ(candidate.excluded, "did not pass verification here for mha in f32, bhsd, core scope");
  }
}

TEST_F(Dispatch, DeterminismIsWhatVerificationSaw) {
  const auto problem = attention_problem("mha", 256);
  EXPECT_EQ(choose(problem, {.deterministic = true}).because.reason,
            Reason::none_allowed);  // nothing is known
  measure_both(0.5);
  EXPECT_EQ(name_of(choose(problem, {.deterministic = true})), kUnfusedName);
  for (auto& verified : profile_.verified) verified.deterministic = verified.kernel != kUnfusedName;
  EXPECT_EQ(name_of(choose(problem, {.deterministic = true})), kFusedName);
  EXPECT_EQ(name_of(choose(problem)), kUnfusedName);
}

TEST_F(Dispatch, ALimitOfBytesHolds) {
  measure_both(0.5);
  const auto problem = attention_problem("mha", 1024);
  const auto bytes = choose(problem).kernel->workspace_bytes(problem, device_);
  ASSERT_GT(bytes, 1);
  EXPECT_EQ(name_of(choose(problem, {.byte_limit = bytes})), kUnfusedName);
  const auto limited = choose(problem, {.byte_limit = bytes - 1});
  if (limited) {
    EXPECT_EQ(name_of(limited), kFusedName);
    EXPECT_LT(limited.kernel->workspace_bytes(problem, device_), bytes);
  } else {
    EXPECT_EQ(limited.because.reason, Reason::none_allowed);
  }
  EXPECT_THROW(Dispatcher(device_, {.byte_limit = -1}), InputError);
}

TEST_F(Dispatch, AForcedKernelIsUsedOrRefused) {
  measure_both(0.5);
  const auto problem = attention_problem("mha", 256);
  EXPECT_EQ(name_of(choose(problem, {.forced = kFusedName})), kFusedName);
  EXPECT_EQ(choose(problem, {.forced = kFusedName}).because.reason, Reason::forced);
  EXPECT_EQ(name_of(choose(problem, {.forced = "mha/" + kFusedName})), kFusedName);
  // It computes no linear attention, and the other name is that of another mechanism.
  const auto refused = choose(attention_problem("causal_linear", 256), {.forced = kFusedName});
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.because.reason, Reason::forced_refused);
  EXPECT_FALSE(choose(problem, {.forced = "swa(w=64)/" + kFusedName}));
  EXPECT_FALSE(choose(problem, {.forced = kFusedName, .denied = {kFusedName}}));
  setenv("ATTNBENCH_FORCE_KERNEL", kFusedName.c_str(), 1);
  EXPECT_EQ(name_of(choose(problem)), kFusedName);
  EXPECT_EQ(name_of(choose(problem, {.forced = kUnfusedName})),
            kUnfusedName);  // the program's word comes first
  setenv("ATTNBENCH_FORCE_KERNEL", "fused@cpu:portabel", 1);
  try {
    choose(problem);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("ATTNBENCH_FORCE_KERNEL: 'fused@cpu:portabel' is not registered (did you "
                          "mean 'fused@cpu:portable'"));
  }
}

TEST_F(Dispatch, DeniedKernelsAreNotUsed) {
  measure_both(0.5);
  const auto problem = attention_problem("mha", 256);
  EXPECT_EQ(name_of(choose(problem, {.denied = {kUnfusedName}})), kFusedName);
  EXPECT_EQ(name_of(choose(problem, {.denied = {"swa(w=64)/" + kFusedName, kUnfusedName}})), kFusedName);
  EXPECT_EQ(choose(problem, {.denied = {kUnfusedName, kFusedName}}).because.reason, Reason::none_allowed);
  EXPECT_THROW(choose(problem, {.denied = {"nothing@cpu"}}), InputError);
  setenv("ATTNBENCH_DENY_KERNELS",
         ("block_sparse(bs=32,globals=1)/" + kFusedName + "," + kUnfusedName).c_str(), 1);
  EXPECT_EQ(name_of(choose(problem)), kFusedName);
  // Those of the environment are added to the program's own.
  EXPECT_EQ(choose(problem, {.denied = {kFusedName}}).because.reason, Reason::none_allowed);
  setenv("ATTNBENCH_DENY_KERNELS", (kUnfusedName + ",fused@cpu:portabel").c_str(), 1);
  try {
    choose(problem);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("ATTNBENCH_DENY_KERNELS: 'fused@cpu:portabel' is not registered"));
  }
}

TEST_F(Dispatch, AnotherMechanismOnlyWhereAllowedAndShownFaster) {
  measure_both(1.5);
  const auto problem = attention_problem("mha", 1024);
  const std::vector<Mechanism> allowed = {attention_problem("swa(w=64)", 1024).mechanism};
  // Nothing is known of windows: the problem's own mechanism stays.
  EXPECT_EQ(choose(problem, {}, allowed).mechanism, problem.mechanism);
  for (const auto& kernel : {kFusedName, kUnfusedName})
    verify_in(profile_, kernel, attention_problem("swa(w=64)", 64));
  measure_in(profile_, kFusedName, "swa(w=64)", 2, [](double n) { return 1e-6 + 1e-8 * n; });
  const auto decision = choose(problem, {}, allowed);
  EXPECT_EQ(to_string(decision.mechanism), "swa(w=64)");
  EXPECT_EQ(decision.because.reason, Reason::faster);
  EXPECT_EQ(to_string(decision.because.other_mechanism), "mha");
  EXPECT_EQ(choose(problem).mechanism, problem.mechanism);
  const std::vector<Mechanism> too_many(kMostAllowed + 1, allowed[0]);
  EXPECT_THROW(choose(problem, {}, too_many), InputError);
}

TEST_F(Dispatch, AProfileThatIsNotOfHereIsNamedAndNotUsed) {
  measure_both(0.5);
  const auto good = profile_;
  const auto expect_in = [&](const std::string& file, ProfileState state, const std::string& words) {
    // What a decision says of it, whatever the decision is.
    const std::map<ProfileState, std::string> said = {
        {ProfileState::unreadable, "the profile cannot be read"},
        {ProfileState::corrupt, "the profile is corrupt"},
        {ProfileState::newer, "the profile is of a newer version than this library knows"},
        {ProfileState::foreign, "the profile is of another machine"},
        {ProfileState::stale, "the profile is of another build of the kernels"}};
    const Dispatcher forced(device_, {.profile = file, .forced = kUnfusedName});
    EXPECT_EQ(in_words(forced.choose(attention_problem("mha", 256))),
              "mha/unfused@cpu (forced; " + said.at(state) + ")");
    const Dispatcher dispatcher(device_, {.profile = file});
    EXPECT_EQ(dispatcher.profile_state(), state);
    EXPECT_THAT(dispatcher.profile_problem(), HasSubstr(words));
    const auto decision = dispatcher.choose(attention_problem("mha", 256));
    EXPECT_EQ(decision.kernel->kernel(), "fused");
    EXPECT_EQ(decision.because.reason, Reason::default_unprofiled);
    EXPECT_EQ(decision.because.profile, state);
    EXPECT_THAT(in_words(decision), HasSubstr("(the default kernel: " + said.at(state) + ")"));
  };
  const auto expect = [&](const std::string& text, ProfileState state, const std::string& words) {
    expect_in(write_text(text), state, words);
  };
  auto other = good;
  other.origin.machine_key = "0123456789abcdef";
  expect(to_text(other), ProfileState::foreign, "measured on machine 0123456789abcdef");
  other = good;
  other.origin.device = "cuda:0";
  expect(to_text(other), ProfileState::foreign, "measured on device cuda:0");
  other = good;
  other.origin.library = "0123456789abcdef";
  expect(to_text(other), ProfileState::stale, "kernels of another build, 0123456789abcdef");
  auto text = to_text(good);
  text.replace(text.find("\"schema\": 1"), 11, "\"schema\": 2");
  expect(text, ProfileState::newer, "its schema 2 is newer than 1");
  expect(to_text(good).substr(0, 400), ProfileState::corrupt, "profile.json");
  expect("{}", ProfileState::corrupt, "format");
  text = to_text(good);
  text.replace(text.find("\"processes\":3"), 13, "\"processes\":0");
  expect(text, ProfileState::corrupt, "processes: '0' is below 1");
  expect("", ProfileState::corrupt, "profile.json");
  expect_in(directory_.file("none.json"), ProfileState::unreadable, "none.json");
  expect_in(directory_.path(), ProfileState::unreadable, directory_.path());
  setenv("ATTNBENCH_PROFILE", write(good).c_str(), 1);
  EXPECT_EQ(Dispatcher(device_).profile_state(), ProfileState::trusted);
}

/// The times are what they were; only what was said of choices by them is not.
TEST_F(Dispatch, ACertificateOfAnotherRuleDoesNotHoldAndItsTimesAreUsed) {
  measure_both(0.5);
  const auto said_of = [&](const nlohmann::json& rule) {
    nlohmann::json certificate = {{"measurements", measurements_hash(profile_)}};
    if (!rule.is_null()) certificate["rule"] = rule;
    profile_.certificate = certificate;
    const Dispatcher dispatcher(device_, {.profile = write(profile_)});
    EXPECT_EQ(name_of(dispatcher.choose(attention_problem("mha", 256))), kUnfusedName);
    EXPECT_EQ(dispatcher.profile_problem(), "");
    return dispatcher.certificate_problem();
  };
  EXPECT_EQ(said_of(nullptr), "");  // those of before there was a number are of rule 1
  EXPECT_EQ(said_of(1), "");
  EXPECT_EQ(said_of(2), "certified for rule 2, this program chooses by rule 1");
  profile_.certificate = {};
  EXPECT_EQ(Dispatcher(device_, {.profile = write(profile_)}).certificate_problem(), "");
  EXPECT_EQ(Dispatcher(device_).certificate_problem(), "");
}

TEST_F(Dispatch, ProblemsThatDifferInOneFieldAreNotTakenForEachOther) {
  const Dispatcher dispatcher(device_);
  const auto base = attention_problem("swa(w=64)", 256);
  std::vector<Problem> problems(18, base);
  problems[1].shape.batch = 2;
  problems[2].shape.num_q_heads = 16;
  problems[3].shape.seqlen_q = 1;
  problems[4].shape.seqlen_kv = 512;
  problems[5].shape.head_dim_qk = 96;
  problems[6].shape.head_dim_v = 96;
  problems[7].shape.layout = Layout::bshd;
  problems[8].shape.softmax_scale = 0.5;
  problems[9].shape.d_model = 256;
  problems[9].scope = Scope::layer;
  problems[10].mechanism.window = 65;
  problems[11].mechanism.causal_bottom_right = true;
  problems[12].mechanism.num_kv_heads = 4;
  problems[13].phase = Phase::decode;
  problems[14].mechanism = attention_problem("block_sparse(bs=32,globals=1)", 256).mechanism;
  problems[15].mechanism = attention_problem("block_sparse(bs=32,globals=2)", 256).mechanism;
  problems[16].mechanism = attention_problem("linear", 256).mechanism;
  problems[17].mechanism = attention_problem("linear", 256).mechanism;
  problems[17].mechanism.eps = 1e-3;
  for (const auto& problem : problems) {
    const auto decision = dispatcher.choose(problem);
    EXPECT_EQ(decision.mechanism, problem.mechanism);
    ASSERT_TRUE(decision) << in_words(decision);
    EXPECT_TRUE(decision.kernel->supports(problem, device_));
  }
  // Nor one of them with and without what is allowed beside it.
  const std::vector<Mechanism> allowed = {attention_problem("linear", 256).mechanism};
  EXPECT_EQ(dispatcher.choose(base, allowed).mechanism, base.mechanism);
  EXPECT_THROW(dispatcher.choose(attention_problem("mha", 0)), InputError);
}

TEST_F(Dispatch, AHitAllocatesNothing) {
  if (!testing_support::counts_allocations()) GTEST_SKIP() << "a sanitizer allocates here";
  measure_both(0.5);
  const Dispatcher dispatcher(device_, {.profile = write(profile_)});
  const auto problem = attention_problem("mha", 256);
  const std::vector<Mechanism> allowed = {attention_problem("swa(w=64)", 256).mechanism};
  const auto first = dispatcher.choose(problem), first_of_two = dispatcher.choose(problem, allowed);
  const auto before = testing_support::allocations();
  const auto again = dispatcher.choose(problem), again_of_two = dispatcher.choose(problem, allowed);
  EXPECT_EQ(testing_support::allocations(), before);
  EXPECT_EQ(again.kernel, first.kernel);
  EXPECT_EQ(again.because.ratio, first.because.ratio);
  EXPECT_EQ(again_of_two.kernel, first_of_two.kernel);
}

// 16 threads ask for more problems than the table holds, so that decisions are read while others take their
// place.
TEST_F(Dispatch, SixteenThreadsGetWhatOneGets) {
  measure_both(0.5);
  const auto file = write(profile_);
  constexpr std::int64_t kProblems = 1500, kThreads = 16, kRounds = 1;
  std::vector<Problem> problems;
  std::vector<Decision> expected;
  const Dispatcher alone(device_, {.profile = file});
  for (std::int64_t i = 0; i < kProblems; ++i) {
    problems.push_back(attention_problem(i % 3 == 0 ? "mha(causal)" : "mha", 33 + 7 * i));
    expected.push_back(alone.choose(problems.back()));
  }
  const Dispatcher shared(device_, {.profile = file});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t i = 0; i < kRounds * kProblems; ++i) {
        // Half of the calls go to a few problems that all share.
        const auto at = static_cast<std::size_t>(i % 2 == 0 ? i % 20 : (i * 7 + t * 97) % kProblems);
        const auto decision = shared.choose(problems[at]);
        const bool same =
            decision.kernel == expected[at].kernel &&
            decision.because.reason == expected[at].because.reason &&
            (decision.because.ratio == expected[at].because.ratio || std::isnan(expected[at].because.ratio));
        if (!same) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

/// Queries of zeros weigh all keys the same: each output is the mean of the values.
TEST_F(Dispatch, APlanRunsTheKernelThatWasChosen) {
  auto problem = attention_problem("mha", 8);
  const auto device = device_of(1);
  const Dispatcher on_one(device);
  Attention attention(on_one, problem);
  EXPECT_EQ(attention.decision().kernel->kernel(), "fused");
  EXPECT_EQ(attention.problem(), problem);
  EXPECT_THROW(attention.run(), InputError);
  std::vector<float> q(8 * 8 * 64), k(q.size(), 1.0F), v(q.size()), o(q.size());
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i / 64 % 8);
  const auto view = [](std::vector<float>& data) {
    return dense_view(data.data(), DType::f32, Layout::bhsd, 1, 8, 8, 64);
  };
  Tensors tensors;
  tensors[Role::q] = view(q);
  tensors[Role::k] = view(k);
  tensors[Role::v] = view(v);
  EXPECT_THROW(attention.bind(tensors), InputError);  // there is no output
  tensors[Role::o] = view(o);
  attention.bind(tensors);
  attention.write_inputs();
  EXPECT_EQ(attention.run(3).runs, 3);
  attention.read_outputs();
  for (const auto value : o) EXPECT_NEAR(value, 3.5, 1e-5);
}

TEST_F(Dispatch, APlanThatCannotBeMadeSaysWhy) {
  const Dispatcher dispatcher(device_, {.forced = kFusedName, .denied = {kFusedName}});
  try {
    const Attention attention(dispatcher, attention_problem("mha", 64));
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the kernel that is forced cannot be used here"));
    EXPECT_THAT(error.what(), HasSubstr("mha/fused@cpu:portable: fused@cpu:portable is denied"));
    EXPECT_THAT(error.what(), HasSubstr("mha/unfused@cpu: fused@cpu:portable is forced"));
  }
}

}  // namespace
}  // namespace attnbench
