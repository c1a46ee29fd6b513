// Which engine answers, and what stands beside a finding.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "claims/claim_json.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

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
