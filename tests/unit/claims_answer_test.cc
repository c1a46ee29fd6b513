// Synthetic runs of known truth: each relation as published, opposite, unresolved and not tested, with
// intervals worked out by hand (see five()).
#include <gmock/gmock.h>

#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

std::string ratio_part(const std::string& more, const std::string& expect = "faster", int seqlen = 128) {
  return "[[parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = " +
         std::to_string(seqlen) + "\nexpect = \"" + expect + "\"\n" + more + "\n";
}

ClaimAnswer ratio_answer(double log_speed, const std::string& more, const std::string& expect = "faster") {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(log_speed));
  return answer_of(ratio_part(more, expect), run);
}

TEST(ClaimRatio, HoldsWithTheIntervalOfPairedLogRatios) {
  const auto answer = ratio_answer(std::log(1.2), "printed = 1.2");
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::agrees);
  EXPECT_TRUE(answer.as_published);
  const auto& value = *answer.parts[0].value;
  EXPECT_NEAR(value.estimate, 1.2, 1e-12);
  EXPECT_NEAR(value.low, 1.2 * std::exp(-kHalfWidth), 1e-6);
  EXPECT_NEAR(value.high, 1.2 * std::exp(kHalfWidth), 1e-6);
}

// Blocks 0, 2 and 3 have both: ratios 2, 4 and 5, their median 4. Two kernels that are not the baseline.
TEST(ClaimRatio, PairsBlocksByTheirNumbers) {
  ClaimRun run;
  run.add(kMha, 128, five(0)).add(kGqa, 128, five(0)).add(kLinear, 128, five(0));
  for (auto& process : run.cell(128).kernels[1].by_process) {
    process.blocks = {1, 2, 10};
    process.block_numbers = {0, 2, 3};
  }
  for (auto& process : run.cell(128).kernels[2].by_process) {
    process.blocks = {2, 99, 8, 50};
    process.block_numbers = {0, 1, 2, 3};
  }
  const auto answer = answer_of(
      "[[parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"linear\"\nseqlen = 128\n"
      "expect = \"faster\"\n",
      run);
  EXPECT_DOUBLE_EQ(answer.parts[0].value->estimate, 4);
}

TEST(ClaimRatio, OppositeSmallDifferenceAndNoDifference) {
  EXPECT_EQ(ratio_answer(-0.1, "").direction, Direction::reversed);
  EXPECT_EQ(ratio_answer(-0.1, "", "slower").direction, Direction::holds);
  EXPECT_EQ(ratio_answer(0.9 * kHalfWidth, "").direction, Direction::unresolved);
  EXPECT_EQ(ratio_answer(1.1 * kHalfWidth, "").direction, Direction::holds);
}

// The half-width is 1.98 %: 1.15 and 1.25 lie outside the interval around 1.2.
TEST(ClaimRatio, MagnitudeByInterval) {
  EXPECT_EQ(ratio_answer(std::log(1.2), "printed = 1.15").magnitude, Magnitude::larger);
  EXPECT_EQ(ratio_answer(std::log(1.2), "printed = 1.25").magnitude, Magnitude::smaller);
  EXPECT_EQ(ratio_answer(std::log(1.2), "printed = [1.23, 1.3]").magnitude, Magnitude::smaller);
  EXPECT_EQ(ratio_answer(std::log(1.2), "printed = [1.1, 1.19]").magnitude, Magnitude::agrees);
  EXPECT_EQ(ratio_answer(std::log(1.2), "").magnitude, Magnitude::none);
}

TEST(ClaimRatio, SlowerThanPublishedIsALargerSlowdown) {
  EXPECT_EQ(ratio_answer(std::log(0.5), "printed = 0.8", "slower").magnitude, Magnitude::larger);
  EXPECT_EQ(ratio_answer(std::log(0.9), "printed = 0.8", "slower").magnitude, Magnitude::smaller);
}

TEST(ClaimSentence, ARatioBelowOneIsToldAsAnEffect) {
  EXPECT_THAT(
      ratio_answer(std::log(0.5), "printed = 0.8", "slower").sentence,
      HasSubstr(": HOLDS. At N = 128 the speed of gqa(kv=4)/unfused@cpu relative to mha/unfused@cpu is 0.50x "
                "[0.49, 0.51] (confirmed; a larger effect than the published 0.8x)."));
}

// Means that round to the printed value say nothing more.
TEST(ClaimSentence, MeansAreToldWhereTheyAreNotThePrintedValue) {
  const auto remark = [](const std::string& means) {
    const auto sentence = ratio_answer(std::log(1.2), "printed = 1.15\nfrom_means = " + means).sentence;
    return sentence.substr(sentence.rfind('('));
  };
  EXPECT_EQ(remark("1.1457"), "(confirmed; a larger effect than the published 1.15x).");
  EXPECT_EQ(remark("1.1"), "(confirmed; a larger effect than the published 1.15x, 1.10x by its means).");
  EXPECT_EQ(remark("1.25"),
            "(confirmed; a larger effect than the published 1.15x; a smaller effect than the published "
            "means' 1.25x).");
}

TEST(ClaimRatio, TimeTurnsTheRatioRound) {
  const auto answer = ratio_answer(std::log(0.5), "measure = \"time\"\nprinted = 1.5", "slower");
  EXPECT_NEAR(answer.parts[0].value->estimate, 2.0, 1e-12);
  EXPECT_NEAR(answer.parts[0].value->high, 2.0 * std::exp(kHalfWidth), 1e-6);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::larger);
}

TEST(ClaimRatio, PrintedAndFromMeansAreComparedApart) {
  const auto answer = ratio_answer(std::log(1.2), "printed = 1.25\nfrom_means = 1.2");
  EXPECT_EQ(answer.parts[0].magnitude, Magnitude::smaller);
  EXPECT_EQ(answer.parts[0].magnitude_from_means, Magnitude::agrees);
}

// t = 2.9 with 4 degrees of freedom: p = 0.0441 alone, 0.0882 in a family of two.
TEST(ClaimFamily, PartsAreAdjustedByHolm) {
  const double log_speed = 2.9 * 0.70710678 * 0.01;
  EXPECT_EQ(ratio_answer(log_speed, "").direction, Direction::holds);
  ClaimRun run;
  run.against_mha(kGqa, 128, five(log_speed)).against_mha(kGqa, 256, five(log_speed));
  const auto two = answer_of(ratio_part("") + ratio_part("", "faster", 256), run);
  EXPECT_EQ(two.direction, Direction::unresolved);
  EXPECT_NEAR(*two.parts[0].p_adjusted, 0.0882, 0.0002);
  const auto shown = answer_of(ratio_part("") + ratio_part("shown_only = true", "faster", 256), run);
  EXPECT_EQ(shown.direction, Direction::holds);
  EXPECT_FALSE(shown.parts[1].p_adjusted.has_value());
}

TEST(ClaimFamily, OneOppositePartReversesAndOneOpenPartLeavesOpen) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(-0.5)).against_mha(kGqa, 512, five(0));
  EXPECT_EQ(answer_of(ratio_part("") + ratio_part("", "faster", 256), run).direction, Direction::reversed);
  EXPECT_EQ(answer_of(ratio_part("") + ratio_part("", "faster", 512), run).direction, Direction::unresolved);
  EXPECT_EQ(answer_of(ratio_part("") + ratio_part("", "slower", 256), run).direction, Direction::holds);
  EXPECT_EQ(answer_of(ratio_part("") + ratio_part("", "faster", 1024), run).direction, Direction::unresolved);
}

TEST(ClaimFamily, MagnitudesThatDisagreeAreMixed) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(0.5));
  const auto at = [&](const char* first, const char* second) {
    return answer_of(ratio_part(first) + ratio_part(second, "faster", 256), run).magnitude;
  };
  EXPECT_EQ(at("printed = 1.2", "printed = 9"), Magnitude::mixed);
  EXPECT_EQ(at("printed = 1.2", "printed = 1.65"), Magnitude::larger);
}

TEST(ClaimNotTested, SaysWhatIsMissing) {
  ClaimRun run;
  run.against_mha(kLinear, 128, five(0.1)).add_failed(kGqa, 256, "row 3 holds NaN").add(kMha, 256, five(0));
  const auto reason = [&](int seqlen) {
    const auto answer = answer_of(ratio_part("printed = 1.2", "faster", seqlen), run);
    EXPECT_EQ(answer.direction, Direction::not_tested);
    EXPECT_EQ(answer.magnitude, Magnitude::none);
    EXPECT_FALSE(answer.parts[0].value.has_value());
    EXPECT_THAT(answer.sentence, HasSubstr(answer.parts[0].reason));
    return answer.parts[0].reason;
  };
  EXPECT_EQ(reason(128), "no gqa(kv=4)/unfused at N = 128");
  EXPECT_EQ(reason(256), "gqa(kv=4)/unfused@cpu at N = 256: wrong: row 3 holds NaN");
  EXPECT_EQ(reason(512), "no cell at N = 512");
}

TEST(ClaimNotTested, OtherCellsAreNotAsked) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5));
  run.cell(128).cell.shape.num_q_heads = 32;
  const auto answer = answer_of(ratio_part(""), run);
  EXPECT_EQ(answer.direction, Direction::not_tested);
  EXPECT_EQ(answer.group, "");
}

TEST(ClaimNotTested, FewProcessesShowAnIntervalAndNoVerdict) {
  ClaimRun run;
  run.against_mha(kGqa, 128, {0.49, 0.5, 0.51, 0.5});
  const auto answer = answer_of(ratio_part(""), run);
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_EQ(answer.parts[0].reason, "too few processes: 4, verdicts need 5");
  EXPECT_TRUE(answer.parts[0].value->is_bounded());
}

TEST(ClaimNotTested, WithheldCellsHaveNoVerdict) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5));
  run.cell(128).withheld = "too noisy to publish";
  const auto answer = answer_of(ratio_part(""), run);
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_THAT(answer.sentence, HasSubstr("not resolved: too noisy to publish"));
}

TEST(ClaimNotTested, PublishedMeansGiveNoInterval) {
  ClaimRun run;
  run.against_mha(kGqa, 128, {0.5});
  run.run().published = true;
  auto& cell = run.cell(128);
  cell.withheld = "no variance published";
  for (auto& kernel : cell.kernels) kernel.by_process.clear();
  const auto answer = answer_of(ratio_part("printed = 1.2"), run);
  EXPECT_EQ(answer.direction, Direction::not_tested);
  EXPECT_EQ(answer.magnitude, Magnitude::none);
  EXPECT_EQ(answer.parts[0].reason, "no variance published");
  EXPECT_NEAR(answer.parts[0].value->estimate, std::exp(0.5), 1e-12);
  EXPECT_FALSE(answer.parts[0].value->is_bounded());
  EXPECT_FALSE(answer.parts[0].p_adjusted.has_value());
}

std::string tie(const std::string& more = "") {
  return "[[parts]]\nrelation = \"equivalence\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = 128\n" + more;
}

// One-sided quantiles at 2.5 %: the half-width again. 2 % margin is 0.0198 in the logarithm, so a spread of
// 0.01 can only just not do; 0.001 can.
TEST(ClaimEquivalence, ByTwoOneSidedTests) {
  const auto with = [](double centre, double spread, const std::string& more = "") {
    ClaimRun run;
    run.against_mha(kGqa, 128, five(centre, spread));
    return answer_of(tie(more), run).direction;
  };
  EXPECT_EQ(with(0.005, 0.001), Direction::holds);
  EXPECT_EQ(with(0.005, 0.01), Direction::unresolved);
  EXPECT_EQ(with(0.0198, 0.001), Direction::unresolved);
  EXPECT_EQ(with(0.04, 0.001), Direction::reversed);
  EXPECT_EQ(with(-0.04, 0.001), Direction::reversed);
  EXPECT_EQ(with(0.04, 0.001, "margin = 0.05"), Direction::holds);
}

std::string cv() {
  return "[[parts]]\nrelation = \"cv_bound\"\nkernel = \"gqa\"\nseqlen = 128\nbound = 0.06\n";
}

// Sum of squares of the logarithms: 10 spread^2. Chi-square, 4 degrees of freedom: 0.484419 at 2.5 %, 11.1433
// at 97.5 %; log(1 + 0.06^2) = 0.0035935.
TEST(ClaimCvBound, ByChiSquare) {
  const auto with = [](double spread) {
    ClaimRun run;
    run.add(kGqa, 128, five(-7, spread));
    return answer_of(cv(), run);
  };
  const double below = std::sqrt(0.484419 * 0.0035935 / 10);
  const double above = std::sqrt(11.1433 * 0.0035935 / 10);
  EXPECT_EQ(with(0.99 * below).direction, Direction::holds);
  EXPECT_EQ(with(1.01 * below).direction, Direction::unresolved);
  EXPECT_EQ(with(0.99 * above).direction, Direction::unresolved);
  EXPECT_EQ(with(1.01 * above).direction, Direction::reversed);
  const auto value = *with(0.01).parts[0].value;
  EXPECT_NEAR(value.estimate, std::sqrt(std::exp(0.00025) - 1), 1e-9);
  EXPECT_NEAR(value.low, std::sqrt(std::exp(0.001 / 11.1433) - 1), 1e-6);
  EXPECT_NEAR(value.high, std::sqrt(std::exp(0.001 / 0.484419) - 1), 1e-6);
}

TEST(ClaimMemory, ExactWithoutAnyTime) {
  ClaimRun run;
  run.add_failed(kGqa, 128, "killed").add_failed(kMha, 128, "killed");
  run.cell(128).kernels[0].work.kv_cache_bytes = 4096.0;
  run.cell(128).kernels[1].work.kv_cache_bytes = 8192.0;
  const std::string part =
      "[[parts]]\nrelation = \"memory\"\nkernel = \"gqa\"\nagainst = \"mha\"\nprinted = ";
  const auto half = answer_of(part + "0.5\n", run);
  EXPECT_EQ(half.direction, Direction::holds);
  EXPECT_EQ(half.magnitude, Magnitude::agrees);
  EXPECT_EQ(half.parts[0].value->low, 0.5);
  const auto more = answer_of(part + "0.6\n", run);
  EXPECT_EQ(more.direction, Direction::reversed);
  EXPECT_EQ(more.magnitude, Magnitude::smaller);
  run.run().published = true;
  EXPECT_EQ(answer_of(part + "0.5\n", run).direction, Direction::holds);
}

}  // namespace
}  // namespace attnbench
