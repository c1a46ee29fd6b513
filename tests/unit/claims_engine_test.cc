// Which engine answers, and what stands beside a finding.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "claims/claim_json.h"
#include "report/claims_table.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kFaster =
    "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = 128\nexpect = "
    "\"faster\"\n";

/// GQA is 1.5 times as fast in our kernels, and half as fast as MHA in mlx's.
ClaimRun of_two_engines() {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(std::log(1.5)));
  run.add("mha/unfused@mlx", 128, five(0, 0));
  run.add("gqa(kv=4)/unfused@mlx", 128, five(std::log(2), 0.01));
  return run;
}

ClaimAnswer answered_by(const std::string& engine) {
  auto run = of_two_engines();
  return answer_claims(std::vector{claim_of(kFaster)}, std::vector{run.run()}, engine).at(0).answers.at(0);
}

TEST(ClaimsOfAnEngine, AreAnsweredByItsKernelsAlone) {
  const auto by_default = answered_by("");
  EXPECT_EQ(by_default.parts[0].kernel, kGqa) << "the baseline's engine";
  EXPECT_EQ(by_default.direction, Direction::holds);
  const auto by_mlx = answered_by("mlx");
  EXPECT_EQ(by_mlx.parts[0].kernel, "gqa(kv=4)/unfused@mlx");
  EXPECT_EQ(by_mlx.parts[0].against, "mha/unfused@mlx");
  EXPECT_NEAR(by_mlx.parts[0].value->estimate, 0.5, 1e-12);
  EXPECT_NEAR(by_mlx.parts[0].value->high, 0.5 * std::exp(kHalfWidth), 1e-6);
  EXPECT_EQ(by_mlx.direction, Direction::reversed);
  EXPECT_EQ(answered_by("other").direction, Direction::not_tested) << "no other engine stands in";
}

TEST(ClaimsOfAnEngine, TheFastestIsTheEnginesFastest) {
  auto run = of_two_engines();
  run.add("gqa(kv=4)/sdpa@mlx", 128, five(std::log(0.25)));
  const auto claim = parse_claim(
      std::string(kClaimHead) + "[best]\ngqa = \"gqa(kv=4)/\"\nmha = \"mha/\"\n" + kQuoted + kFaster, "t",
      "t.toml");
  const auto answers = answer_claims(std::vector{claim}, std::vector{run.run()}, "mlx").at(0).answers;
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].form, Form::best);
  EXPECT_EQ(answers[1].parts[0].kernel, "gqa(kv=4)/sdpa@mlx");
  EXPECT_EQ(answers[1].parts[0].against, "mha/unfused@mlx");
}

/// bf16 where the CPU has no products of it: the kernels of the claim are there and not supported.
ClaimRun without_products(const std::string& baseline, bool measured = false) {
  ClaimRun run("core", "bf16");
  if (measured) run.against_mha(kGqa, 128, five(std::log(1.2)));
  for (const auto& id : {kMha, kGqa, kLinear}) {
    if (run.cell(128).find(id) == nullptr) run.add_failed(id, 128, "oneDNN has bf16 products only ...");
  }
  run.add("mha/unfused_f32@cpu", 128, five(0, 0));
  run.add("gqa(kv=4)/unfused_f32@cpu", 128, five(-std::log(1.5)));
  run.add("mha/fused@cpu", 128, five(-1));
  auto& cell = run.cell(128);
  cell.baseline = baseline;
  for (auto& kernel : cell.kernels) kernel.kernel.is_baseline = kernel.id() == baseline;
  return run;
}

TEST(ClaimsWithoutProducts, AreAnsweredByTheBaselineOfProductsInF32AndSaySo) {
  auto run = without_products("mha/unfused_f32@cpu");
  const auto answer = answer_of(kFaster, run);
  EXPECT_EQ(answer.parts[0].kernel, "gqa(kv=4)/unfused_f32@cpu");
  EXPECT_EQ(answer.parts[0].against, "mha/unfused_f32@cpu");
  EXPECT_NEAR(answer.parts[0].value->estimate, 1.5, 1e-12);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_THAT(answer.stand_ins, ElementsAre("gqa(kv=4)/unfused_f32@cpu for gqa(kv=4)/unfused",
                                            "mha/unfused_f32@cpu for mha/unfused"));
  const std::string words =
      "y products in f32: gqa(kv=4)/unfused_f32@cpu for gqa(kv=4)/unfused, mha/unfused_f32@cpu for "
      "mha/unfused";
  EXPECT_THAT(answer.sentence, HasSubstr(words + ". At N = 128 the speed of gqa(kv=4)/unfused_f32@cpu"));
  const ClaimResult result{claim_of(kFaster), {answer}};
  EXPECT_EQ(to_json(result).at("answers").at(0).at("stand_ins").size(), 2u);
  const auto table = claims_table(std::vector{result}, run.run());
  for (const auto* part : {"by products in f32:", "mha/unfused_f32@cpu for", "mha/unfused"})
    EXPECT_THAT(table, HasSubstr(part));
}

TEST(ClaimsWithoutProducts, HaveNoOtherStandIn) {
  const auto expect_none = [](ClaimRun run, const std::string& parts, const std::string& engine,
                              Direction direction) {
    const auto answer =
        answer_claims(std::vector{claim_of(parts)}, std::vector{run.run()}, engine).at(0).answers.at(0);
    EXPECT_EQ(answer.direction, direction);
    EXPECT_THAT(answer.stand_ins, IsEmpty());
    EXPECT_THAT(answer.sentence, Not(HasSubstr("roducts in f32")));
    EXPECT_FALSE(to_json(ClaimResult{claim_of(parts), {answer}}).at("answers").at(0).contains("stand_ins"));
  };
  // Another baseline, another engine, another kernel than unfused.
  expect_none(without_products("mha/fused@cpu"), kFaster, "", Direction::not_tested);
  expect_none(without_products("mha/unfused_f32@cpu"), kFaster, "mlx", Direction::not_tested);
  expect_none(without_products("mha/unfused_f32@cpu"),
              "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"linear\"\nagainst = \"mha\"\nseqlen = "
              "128\nexpect = \"faster\"\n",
              "", Direction::not_tested);
  // Nor where the claim's own kernels were measured.
  expect_none(without_products("mha/unfused_f32@cpu", true), kFaster, "", Direction::holds);
}

Claim with_beside(const std::string& more = "") {
  return claim_of(
      std::string(kFaster) +
      "[[beside]]\nsays = \"what it is made of\"\nrelation = \"ratio\"\nkernel = \"linear\"\nagainst = "
      "\"gqa\"\nseqlen = 128\nmeasure = \"time\"\n" +
      more);
}

TEST(ClaimsBeside, AreShownWhereOneEngineHasBoth) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(std::log(1.5), 0));
  EXPECT_THAT(answers_of(with_beside(), run.run()).at(0).beside, IsEmpty());
  run.add("linear/two_gemm@mlx", 128, five(0));
  EXPECT_THAT(answers_of(with_beside(), run.run()).at(0).beside, IsEmpty()) << "another engine's";

  ClaimRun both;
  both.against_mha(kGqa, 128, five(std::log(1.5), 0)).against_mha(kLinear, 128, five(std::log(0.5)));
  const auto answer = answers_of(with_beside(), both.run()).at(0);
  ASSERT_EQ(answer.beside.size(), 1u);
  EXPECT_EQ(answer.beside[0].says, "what it is made of");
  // 2 s over 2/3 s.
  EXPECT_NEAR(answer.beside[0].part.value->estimate, 3, 1e-12);
  EXPECT_THAT(answer.details, IsEmpty());
  EXPECT_EQ(answer.direction, Direction::holds) << "it has no say";
  const auto json = to_json(ClaimResult{with_beside(), {answer}}).at("answers").at(0).at("beside").at(0);
  EXPECT_EQ(json.at("says"), "what it is made of");
  EXPECT_NEAR(json.at("comparison").at("value").at("estimate").get<double>(), 3, 1e-12);
}

std::string error_beside(const std::string& beside) {
  try {
    claim_of(std::string(kFaster) + beside);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ClaimsBeside, AreRatiosWithoutADirection) {
  const std::string ratio =
      "[[beside]]\nrelation = \"ratio\"\nkernel = \"linear\"\nagainst = \"gqa\"\nseqlen = 128\n";
  EXPECT_THAT(error_beside(ratio), HasSubstr("[[beside]]: 'says' is missing"));
  EXPECT_THAT(error_beside(ratio + "says = \"x\"\nexpect = \"faster\"\n"),
              HasSubstr("'relation' is no ratio"));
  EXPECT_THAT(error_beside("[[beside]]\nsays = \"x\"\nrelation = \"cv_bound\"\nbound = 0.1\nseqlen = 128\n"),
              HasSubstr("'relation' is no ratio"));
  try {
    parse_claim("beside = 3\n" + std::string(kClaimHead) + kQuoted + kFaster, "t", "t.toml");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("is not [[beside]] tables"));
  }
}

}  // namespace
}  // namespace attnbench
