#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/attnbench.h"
#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kQHeads = 4, kKvHeads = 2, kTokens = 6, kDim = 16;

struct FreeDispatcher {
  void operator()(attnbench_dispatcher* d) const { attnbench_dispatcher_free(d); }
};
struct FreePlan {
  void operator()(attnbench_plan* p) const { attnbench_plan_free(p); }
};
using DispatcherHandle = std::unique_ptr<attnbench_dispatcher, FreeDispatcher>;
using PlanHandle = std::unique_ptr<attnbench_plan, FreePlan>;

DispatcherHandle dispatcher_by(attnbench_policy policy = {}) {
  policy.threads = 1;
  attnbench_dispatcher* dispatcher = nullptr;
  EXPECT_EQ(attnbench_dispatcher_new(&policy, &dispatcher), ATTNBENCH_OK) << attnbench_last_error();
  return DispatcherHandle(dispatcher);
}

attnbench_problem causal_gqa() {
  attnbench_problem problem{};
  problem.mechanism = "gqa";
  problem.num_kv_heads = kKvHeads;
  problem.causal = 1;
  problem.batch = 1;
  problem.num_q_heads = kQHeads;
  problem.seqlen_q = problem.seqlen_kv = kTokens;
  problem.head_dim_qk = problem.head_dim_v = kDim;
  problem.softmax_scale = 0.25;
  return problem;
}

attnbench_tensor dense(std::vector<float>& data, std::int64_t heads) {
  data.resize(static_cast<std::size_t>(heads * kTokens * kDim));
  return {data.data(), {1, heads, kTokens, kDim}, {heads * kTokens * kDim, kTokens * kDim, kDim, 1}};
}

std::string in_words(const attnbench_decision& decision) {
  std::string text(attnbench_describe(&decision, nullptr, 0) + 1, '?');
  EXPECT_EQ(attnbench_describe(&decision, text.data(), text.size()), text.size() - 1);
  EXPECT_EQ(text.back(), '\0');
  text.pop_back();
  return text;
}

TEST(CInterface, APlanComputesTheProblemOnTheTensorsGiven) {
  const auto dispatcher = dispatcher_by();
  const auto problem = causal_gqa();
  attnbench_plan* made = nullptr;
  ASSERT_EQ(attnbench_plan_new(dispatcher.get(), &problem, nullptr, &made), ATTNBENCH_OK)
      << attnbench_last_error();
  const PlanHandle plan(made);

  // Queries of zeros weigh the keys they see the same; key j of K/V head g holds j + 100 g.
  std::vector<float> q, k, v, o;
  attnbench_tensors tensors{};
  tensors.q = dense(q, kQHeads);
  tensors.k = dense(k, kKvHeads);
  tensors.v = dense(v, kKvHeads);
  tensors.o = dense(o, kQHeads);
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>(i / kDim % kTokens + 100 * (i / (kDim * kTokens)));
  ASSERT_EQ(attnbench_plan_bind(plan.get(), &tensors), ATTNBENCH_OK) << attnbench_last_error();
  double seconds = -1;
  ASSERT_EQ(attnbench_plan_run(plan.get(), 2, &seconds), ATTNBENCH_OK) << attnbench_last_error();
  EXPECT_GT(seconds, 0);
  for (std::size_t i = 0; i < o.size(); ++i) {
    const auto token = static_cast<float>(i / kDim % kTokens);
    const float group = i / (kDim * kTokens) < 2 ? 0 : 100;  // of heads 0 and 1, of heads 2 and 3
    ASSERT_NEAR(o[i], token / 2 + group, 1e-4F * (1 + group)) << i;
  }
}

TEST(CInterface, ADecisionIsTheDispatchersInWords) {
  const auto dispatcher = dispatcher_by();
  const auto problem = causal_gqa();
  attnbench_decision decision;
  ASSERT_EQ(attnbench_choose(dispatcher.get(), &problem, nullptr, &decision), ATTNBENCH_OK);
  EXPECT_EQ(decision.chosen, 1);
  EXPECT_STREQ(decision.reason, "default_unprofiled");
  EXPECT_TRUE(std::isnan(decision.seconds));

  using namespace attnbench;
  Problem same{
      .shape = {.num_q_heads = kQHeads,
                .seqlen_q = kTokens,
                .seqlen_kv = kTokens,
                .head_dim_qk = kDim,
                .head_dim_v = kDim,
                .softmax_scale = 0.25},
      .mechanism = {.kind = MechanismKind::gqa, .num_kv_heads = kKvHeads, .causal_bottom_right = true}};
  const auto device = cpu_device(1);
  const auto expected = Dispatcher(device).choose(same);
  EXPECT_EQ(::in_words(decision), attnbench::in_words(expected));
  char name[64];
  attnbench_kernel_name(&decision, name, sizeof name);
  EXPECT_EQ(name, kernel_id(expected.mechanism, *expected.kernel));
  EXPECT_STREQ(attnbench_profile_state(dispatcher.get()), "none");
  EXPECT_STREQ(attnbench_profile_problem(dispatcher.get()), "");
}

TEST(CInterface, TextsAreCutToTheirSizeAndEnded) {
  const auto dispatcher = dispatcher_by();
  const auto problem = causal_gqa();
  attnbench_decision decision;
  ASSERT_EQ(attnbench_choose(dispatcher.get(), &problem, nullptr, &decision), ATTNBENCH_OK);
  char text[] = "untouched";
  const auto whole = attnbench_kernel_name(&decision, text, 5);
  EXPECT_STREQ(text, "gqa(");
  EXPECT_EQ(text[5], 'c');  // the byte after the five
  EXPECT_GT(whole, 5U);
  EXPECT_EQ(attnbench_kernel_name(nullptr, text, 5), 0U);
  EXPECT_STREQ(text, "");
}

TEST(CInterface, AProblemThatIsNoneIsRefusedByFieldAndValue) {
  const auto dispatcher = dispatcher_by();
  const struct {
    void (*spoil)(attnbench_problem&);
    const char *field, *value;
  } cases[] = {
      {[](attnbench_problem& p) { p.mechanism = nullptr; }, "mechanism", "null"},
      {[](attnbench_problem& p) { p.mechanism = "gqqa"; }, "mechanism", "gqqa"},
      {[](attnbench_problem& p) { p.mechanism = "swa(w=4)"; }, "mechanism", "swa(w=4)"},
      {[](attnbench_problem& p) { p.mechanism = "linear"; }, "causal", "1"},
      {[](attnbench_problem& p) { p.num_kv_heads = 3; }, "num_kv_heads", "3"},
      {[](attnbench_problem& p) { p.batch = 0; }, "batch", "0"},
      {[](attnbench_problem& p) { p.dtype_kv = 3; }, "dtype_kv", "3"},
      {[](attnbench_problem& p) { p.dtype_q = -1; }, "dtype_q", "-1"},
      {[](attnbench_problem& p) { p.layout = 2; }, "layout", "2"},
      {[](attnbench_problem& p) { p.scope = 2; }, "scope", "2"},
      {[](attnbench_problem& p) { p.phase = 2; }, "phase", "2"},
      {[](attnbench_problem& p) { p.threads = 7; }, "threads", "7"},
      {[](attnbench_problem& p) { p.softmax_scale = std::numeric_limits<double>::quiet_NaN(); },
       "softmax_scale", "nan"},
  };
  for (const auto& c : cases) {
    auto problem = causal_gqa();
    c.spoil(problem);
    attnbench_decision decision{};
    EXPECT_EQ(attnbench_choose(dispatcher.get(), &problem, nullptr, &decision), ATTNBENCH_BAD_INPUT)
        << c.field;
    EXPECT_THAT(attnbench_last_error(), AllOf(HasSubstr(c.field), HasSubstr(c.value)));
    EXPECT_EQ(decision.reason, nullptr) << "written after a failure";
  }
}

TEST(CInterface, OtherMechanismsAreTakenAsTexts) {
  const auto dispatcher = dispatcher_by();
  auto problem = causal_gqa();
  attnbench_decision decision{};
  const char* one[] = {"swa(w=2,causal)", nullptr};
  EXPECT_EQ(attnbench_choose(dispatcher.get(), &problem, one, &decision), ATTNBENCH_OK)
      << attnbench_last_error();
  const char* wrong[] = {"swa(w=2", nullptr};
  EXPECT_EQ(attnbench_choose(dispatcher.get(), &problem, wrong, &decision), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("swa(w=2"));
  const char* nine[] = {"swa(w=1)", "swa(w=2)", "swa(w=3)", "swa(w=4)", "swa(w=5)",
                        "swa(w=6)", "swa(w=7)", "swa(w=8)", "swa(w=9)", nullptr};
  EXPECT_EQ(attnbench_choose(dispatcher.get(), &problem, nine, &decision), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), AllOf(HasSubstr("allowed"), HasSubstr("swa(w=9)")));
}

TEST(CInterface, NoKernelIsADecisionAndNoPlan) {
  attnbench_policy policy{};
  policy.forced = "mha/unfused@cpu";
  const auto dispatcher = dispatcher_by(policy);
  const auto problem = causal_gqa();
  attnbench_decision decision;
  ASSERT_EQ(attnbench_choose(dispatcher.get(), &problem, nullptr, &decision), ATTNBENCH_OK);
  EXPECT_EQ(decision.chosen, 0);
  EXPECT_STREQ(decision.reason, "forced_refused");
  char name[] = "untouched";
  EXPECT_EQ(attnbench_kernel_name(&decision, name, sizeof name), 0U);
  EXPECT_STREQ(name, "");
  EXPECT_THAT(in_words(decision), StartsWith("no kernel for gqa(kv=2,causal)"));

  attnbench_plan* plan = nullptr;
  EXPECT_EQ(attnbench_plan_new(dispatcher.get(), &problem, nullptr, &plan), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(plan, nullptr);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("mha/unfused@cpu is forced"));
}

TEST(CInterface, APolicyThatIsNoneIsRefused) {
  attnbench_dispatcher* made = nullptr;
  attnbench_policy policy{};
  policy.forced = "fussed@cpu";
  EXPECT_EQ(attnbench_dispatcher_new(&policy, &made), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("fussed@cpu"));
  policy = {};
  const char* denied[] = {"none@nobody", nullptr};
  policy.denied = denied;
  EXPECT_EQ(attnbench_dispatcher_new(&policy, &made), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("none@nobody"));
  policy = {};
  policy.threads = -2;
  EXPECT_EQ(attnbench_dispatcher_new(&policy, &made), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), AllOf(HasSubstr("threads"), HasSubstr("-2")));
  policy = {};
  policy.device = "abacus";
  EXPECT_EQ(attnbench_dispatcher_new(&policy, &made), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("abacus"));
  EXPECT_EQ(made, nullptr);
}

TEST(CInterface, APlanRunsOnWhatItWasBoundTo) {
  const auto dispatcher = dispatcher_by();
  const auto problem = causal_gqa();
  attnbench_plan* made = nullptr;
  ASSERT_EQ(attnbench_plan_new(dispatcher.get(), &problem, nullptr, &made), ATTNBENCH_OK);
  const PlanHandle plan(made);
  EXPECT_EQ(attnbench_plan_run(plan.get(), 1, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), HasSubstr("bind()"));

  std::vector<float> q, k, v, o;
  attnbench_tensors tensors{};
  tensors.q = dense(q, kQHeads);
  tensors.k = dense(k, kKvHeads);
  tensors.o = dense(o, kQHeads);
  EXPECT_EQ(attnbench_plan_bind(plan.get(), &tensors), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), StartsWith("v: "));
  tensors.v = dense(v, kKvHeads);
  ASSERT_EQ(attnbench_plan_bind(plan.get(), &tensors), ATTNBENCH_OK) << attnbench_last_error();
  EXPECT_EQ(attnbench_plan_run(plan.get(), 0, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_THAT(attnbench_last_error(), AllOf(HasSubstr("calls"), HasSubstr("0")));
}

TEST(CInterface, NullHandlesAreRefusedAndFreed) {
  attnbench_decision decision{};
  const auto problem = causal_gqa();
  EXPECT_EQ(attnbench_dispatcher_new(nullptr, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_choose(nullptr, &problem, nullptr, &decision), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_plan_new(nullptr, &problem, nullptr, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_plan_bind(nullptr, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_plan_run(nullptr, 1, nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_plan_read_outputs(nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_EQ(attnbench_load_plugin(nullptr), ATTNBENCH_BAD_INPUT);
  EXPECT_STREQ(attnbench_profile_state(nullptr), "");
  attnbench_dispatcher_free(nullptr);
  attnbench_plan_free(nullptr);
}

}  // namespace
