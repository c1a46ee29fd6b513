// Synthetic runs of known truth: each relation as published, opposite, unresolved and not tested, with
// intervals worked out by hand (see five()).
#include <gmock/gmock.h>

#include "claims/magnitude.h"
#include "claims/part_text.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

std::string ratio_part(const std::string& more, const std::string& expect = "faster", int seqlen = 128) {
  return "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = " +
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

// Times of processes 0, 2 and 4: those that have both. Two kernels that are not the baseline.
TEST(ClaimRatio, IsTheQuotientOfProcessesThatHaveBoth) {
  ClaimRun run;
  run.add(kMha, 128, five(0)).add(kGqa, 128, five(0)).add(kLinear, 128, five(0));
  auto& gqa = run.cell(128).kernels[1].by_process;
  auto& linear = run.cell(128).kernels[2].by_process;
  const double seconds[] = {1, 7, 2, 7, 4};
  for (std::size_t i = 0; i < 5; ++i) {
    gqa[i].blocks = {seconds[i] / 2, seconds[i], 9};
    linear[i].blocks = {8, 8, 8};
  }
  gqa.erase(gqa.begin() + 1);
  linear.erase(linear.begin() + 3);
  const auto answer = answer_of(
      "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"linear\"\nseqlen = 128\n"
      "expect = \"faster\"\n",
      run);
  EXPECT_NEAR(answer.parts[0].value->estimate, 4, 1e-12);  // cube root of 8 x 4 x 2
}

TEST(ClaimRatio, OppositeSmallDifferenceAndNoDifference) {
  EXPECT_EQ(ratio_answer(-0.1, "").direction, Direction::reversed);
  EXPECT_EQ(ratio_answer(-0.1, "", "slower").direction, Direction::holds);
  EXPECT_EQ(ratio_answer(0.9 * kHalfWidth, "").direction, Direction::unresolved);
  EXPECT_EQ(ratio_answer(1.1 * kHalfWidth, "").direction, Direction::holds);
}

// The geometric mean of 1.1 and 1.3: 1.19583; its error comes from both, sqrt(2) / 2 of one's, 8 degrees of
// freedom (t = 2.306004).
TEST(ClaimRatio, OverSeveralLengthsIsTheirGeometricMean) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(std::log(1.1))).against_mha(kGqa, 256, five(std::log(1.3)));
  const auto answer = answer_of(
      "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [128, 256]\n"
      "expect = \"faster\"\n",
      run);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_NEAR(answer.parts[0].value->estimate, 1.1958261, 1e-6);
  EXPECT_NEAR(answer.parts[0].value->high, 1.1958261 * std::exp(2.306004 * 0.005), 1e-6);
}

// The interval around 1.2 is 1.1767 to 1.2238.
TEST(ClaimMagnitude, ByTheInterval) {
  const auto beside = [](const std::string& printed) {
    return ratio_answer(std::log(1.2), "printed = " + printed).magnitude;
  };
  EXPECT_EQ(beside("1.2"), Magnitude::agrees);
  EXPECT_EQ(beside("1.15"), Magnitude::larger);
  EXPECT_EQ(beside("1.25"), Magnitude::smaller);
  EXPECT_EQ(beside("1.4"), Magnitude::smaller);
  EXPECT_EQ(beside("[1.23, 1.3]"), Magnitude::smaller);
  EXPECT_EQ(beside("[1.1, 1.17]"), Magnitude::larger);
  EXPECT_EQ(beside("[1.1, 1.3]"), Magnitude::agrees);
  EXPECT_EQ(beside("[1.1, 1.19]"), Magnitude::too_wide);
  EXPECT_EQ(beside("0.8"), Magnitude::opposite);
  EXPECT_EQ(ratio_answer(std::log(1.2), "").magnitude, Magnitude::none);
}

TEST(ClaimMagnitude, SlowerThanPublishedIsALargerSlowdown) {
  EXPECT_EQ(ratio_answer(std::log(0.5), "printed = 0.8", "slower").magnitude, Magnitude::larger);
  EXPECT_EQ(ratio_answer(std::log(0.95), "printed = 0.8", "slower").magnitude, Magnitude::smaller);
}

// [0.004, 8.15] holds every ratio that was ever published.
TEST(ClaimMagnitude, AWideIntervalAgreesWithNothing) {
  ClaimPart part;
  part.value = stats::Interval{0.18, 0.004, 8.15};
  EXPECT_EQ(compare_with(part, {0.64, 0.64}), Magnitude::too_wide);
  EXPECT_EQ(compare_with(part, {5.7, 5.7}), Magnitude::too_wide);
  EXPECT_EQ(compare_with(part, {5.8, 7.2}), Magnitude::too_wide);
  EXPECT_EQ(compare_with(part, {9, 9}), Magnitude::smaller);
  // A factor of 1.1 around 2 is 1.818 to 2.2; half the effect of 1.08 is 1.0392 to 1.1224.
  const auto held = [&](double low, double high, double published) {
    part.value = stats::Interval{published, low, high};
    return compare_with(part, {published, published});
  };
  EXPECT_EQ(held(1.82, 2.19, 2), Magnitude::agrees);
  EXPECT_EQ(held(1.81, 2.19, 2), Magnitude::too_wide);
  EXPECT_EQ(held(1.82, 2.21, 2), Magnitude::too_wide);
  EXPECT_EQ(held(1.04, 1.12, 1.08), Magnitude::agrees);
  EXPECT_EQ(held(1.03, 1.12, 1.08), Magnitude::too_wide);
  EXPECT_EQ(held(1.04, 1.13, 1.08), Magnitude::too_wide);
  part.value = stats::Interval{0.64, 0.63, 0.65};
  EXPECT_EQ(compare_with(part, {0.64, 0.64}), Magnitude::agrees);
}

TEST(ClaimSentence, HasKernelsNumbersAndPublishedValue) {
  EXPECT_EQ(
      ratio_answer(std::log(0.5), "printed = 0.8", "slower").sentence,
      "Kernels as published (layer f32): HOLDS; size: LARGER. At N = 128 the speed of gqa(kv=4)/unfused@cpu "
      "relative to mha/unfused@cpu is 0.50x [0.49, 0.51]; published: 0.8x.");
}

// Means that round to the printed value say nothing more.
TEST(ClaimText, MeansAreToldWhereTheyAreNotThePrintedValue) {
  const auto published = [](const std::string& text, const std::string& expect = "faster") {
    return published_text(claim_of(ratio_part(text, expect)).headline.parts);
  };
  EXPECT_EQ(published("printed = 1.15\nfrom_means = 1.1457"), "1.15x");
  EXPECT_EQ(published("printed = 1.15\nfrom_means = 1.1"), "1.15x (1.10x by its means)");
  EXPECT_EQ(published("from_means = 1.1"), "1.10x by its means");
  EXPECT_EQ(published("printed = 1.15\nfrom_means = 0.9"), "1.15x, contradicted by its means: 0.90x");
  EXPECT_EQ(published("printed = 0.9\nfrom_means = 1.1", "slower"), "0.9x, contradicted by its means: 1.10x");
  EXPECT_EQ(published("printed = [1.06, 1.1]\nfrom_means = 1.08"), "1.06x to 1.1x");
  EXPECT_EQ(published(""), "");
}

TEST(ClaimRatio, TimeTurnsTheRatioRound) {
  const auto answer = ratio_answer(std::log(0.5), "measure = \"time\"\nprinted = 1.5", "slower");
  EXPECT_NEAR(answer.parts[0].value->estimate, 2.0, 1e-12);
  EXPECT_NEAR(answer.parts[0].value->high, 2.0 * std::exp(kHalfWidth), 1e-6);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::larger);
}

// t = 2.9 with 4 degrees of freedom: p = 0.0441 alone, 0.0882 in a family of two.
TEST(ClaimFamily, HeadlinesOfARunAreAdjustedByHolm) {
  const double log_speed = 2.9 * 0.70710678 * 0.01;
  EXPECT_EQ(ratio_answer(log_speed, "").direction, Direction::holds);
  ClaimRun run;
  run.against_mha(kGqa, 128, five(log_speed)).against_mha(kGqa, 256, five(log_speed));
  const auto two = answer_of(ratio_part("") + ratio_part("", "faster", 256), run);
  EXPECT_EQ(two.direction, Direction::unresolved);
  EXPECT_NEAR(*two.parts[0].p, 0.0882, 0.0002);
  // Two claims of one part each, and one claim in two settings.
  auto at_256 = claim_of(ratio_part("", "faster", 256));
  const auto results = answer_claims(std::vector{claim_of(ratio_part("")), at_256}, std::vector{run.run()});
  EXPECT_NEAR(*results[0].answers[0].parts[0].p, 0.0882, 0.0002);
  EXPECT_EQ(results[1].answers[0].direction, Direction::unresolved);
  ClaimRun layer, core("core");
  layer.against_mha(kGqa, 128, five(log_speed));
  core.against_mha(kGqa, 128, five(log_speed));
  layer.run().groups.push_back(core.run().groups[0]);
  EXPECT_NEAR(*answer_of(ratio_part(""), layer).parts[0].p, 0.0882, 0.0002);
  // Two runs are two families.
  const auto runs = answer_claims(std::vector{at_256}, std::vector{run.run(), run.run()});
  EXPECT_NEAR(*runs[0].answers[1].parts[0].p, 0.0441, 0.0001);
}

std::string detail(const std::string& more, const std::string& expect = "faster", int seqlen = 128) {
  auto text = ratio_part(more, expect, seqlen);
  return "[[details]]" + text.substr(text.find(']') + 2);
}

// Each by itself: p = 0.0441 resolves both, and the headline stays as it is alone.
TEST(ClaimDetails, AreExploratoryAndDecideNothing) {
  const double log_speed = 2.9 * 0.70710678 * 0.01;
  ClaimRun run;
  run.against_mha(kGqa, 128, five(log_speed)).against_mha(kGqa, 256, five(-log_speed));
  const auto answer =
      answer_of(ratio_part("") + detail("printed = 1.0207") + detail("printed = 1.5") +
                    detail("", "faster", 256) + detail("", "slower", 256) + detail("", "faster", 512),
                run);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::none);
  const auto outcome = [&](std::size_t i) { return outcome_text(answer.details.at(i)); };
  EXPECT_EQ(outcome(0), "direction as published, size too wide to tell");
  EXPECT_EQ(outcome(1), "direction as published, faster by less");
  EXPECT_EQ(outcome(2), "opposite");
  EXPECT_EQ(outcome(3), "as published");
  EXPECT_EQ(outcome(4), "not tested: no cell at N = 512");
  EXPECT_EQ(details_text(answer), "1 as published, 2 in direction alone, 1 opposite, 1 not tested");
}

// Without a direction a detail is its value: 1.2 with 1.1765 to 1.2240.
TEST(ClaimDetails, WithoutADirectionAreComparedBySize) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(std::log(1.2)));
  const auto outcome = [&](const std::string& printed) {
    const auto answer =
        answer_of(ratio_part("") +
                      "[[details]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\n"
                      "seqlen = 128\nprinted = " +
                      printed,
                  run);
    EXPECT_FALSE(answer.details[0].p.has_value());
    EXPECT_EQ(answer.details[0].is_as_published(), printed == "1.2");
    return outcome_text(answer.details[0]);
  };
  EXPECT_EQ(outcome("1.2"), "as published");
  EXPECT_EQ(outcome("1.9"), "effect smaller");
  EXPECT_EQ(outcome("0.9"), "opposite");
}

// 0.79 beside a published 0.93 is a larger slowdown, 0.97 a lesser one.
TEST(ClaimDetails, OfASlowdownSayByHowMuch) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(std::log(0.79))).against_mha(kGqa, 256, five(std::log(0.97), 0.001));
  const auto answer = answer_of(
      ratio_part("") + detail("printed = 0.93", "slower") + detail("printed = 0.93", "slower", 256), run);
  EXPECT_EQ(outcome_text(answer.details[0]), "direction as published, slower by more");
  EXPECT_EQ(outcome_text(answer.details[1]), "direction as published, slower by less");
  EXPECT_EQ(details_text(answer), "2 in direction alone");
}

// Nothing that is not resolved reads as refuted, and each detail is counted once.
TEST(ClaimDetails, AreCountedByWhatTheyAre) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0)).against_mha(kGqa, 256, five(0.5));
  const std::string no_direction =
      "[[details]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = 256\nprinted = ";
  const auto answer = answer_of(ratio_part("") + detail("printed = 1.2") + detail("", "slower") +
                                    no_direction + "1.2\n" + no_direction + "0.9\n" +
                                    "[[details]]\nrelation = \"range\"\nkernel = \"gqa\"\nagainst = "
                                    "\"mha\"\nseqlen = 256\nbetween = [2, 3]\n",
                                run);
  EXPECT_EQ(details_text(answer), "1 of another size, 1 opposite, 1 outside, 2 not resolved");
}

TEST(ClaimMagnitude, OfAnUnresolvedDirectionIsNotTold) {
  const auto answer = ratio_answer(0.9 * kHalfWidth, "printed = 1.5");
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_EQ(answer.magnitude, Magnitude::none);
  EXPECT_EQ(answer.parts[0].magnitude, Magnitude::none);
  EXPECT_EQ(verdict_text(answer), "UNRESOLVED");
  // Of two comparisons one is resolved: the headline is not, and has no size.
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(0));
  const auto half = answer_of(ratio_part("printed = 1.2") + ratio_part("printed = 1.2", "faster", 256), run);
  EXPECT_EQ(verdict_text(half), "UNRESOLVED");
}

TEST(ClaimHeadline, PartsThatDifferAreInPart) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(-0.5)).against_mha(kGqa, 512, five(0));
  const auto with = [&](const std::string& expect, int seqlen) {
    return answer_of(ratio_part("") + ratio_part("", expect, seqlen), run).direction;
  };
  EXPECT_EQ(with("faster", 256), Direction::in_part);
  EXPECT_EQ(with("faster", 512), Direction::unresolved);
  EXPECT_EQ(with("slower", 256), Direction::holds);
  EXPECT_EQ(with("faster", 1024), Direction::not_tested);
  EXPECT_EQ(answer_of(ratio_part("", "slower") + ratio_part("", "faster", 256), run).direction,
            Direction::reversed);
  EXPECT_EQ(answer_of(ratio_part("", "slower") + ratio_part("", "faster", 512), run).direction,
            Direction::unresolved);
}

TEST(ClaimHeadline, SizesThatDifferAreInPart) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(0.5));
  const auto at = [&](const char* first, const char* second) {
    return answer_of(ratio_part(first) + ratio_part(second, "faster", 256), run).magnitude;
  };
  EXPECT_EQ(at("printed = 1.2", "printed = 9"), Magnitude::in_part);
  EXPECT_EQ(
      verdict_text(answer_of(ratio_part("printed = 1.2") + ratio_part("printed = 9", "faster", 256), run)),
      "HOLDS; size: DIFFERS");
  EXPECT_EQ(at("printed = 1.2", "printed = 1.65"), Magnitude::in_part);
  EXPECT_EQ(at("printed = 1.2", ""), Magnitude::larger);
  run.cell(256).withheld = "too noisy to publish";
  EXPECT_EQ(at("printed = 1.2", "printed = 1.2"), Magnitude::none);
}

// exp(0.5) = 1.649, the interval 1.616 to 1.682.
TEST(ClaimRange, WithinOutsideOrNeither) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5)).against_mha(kGqa, 256, five(0.7));
  const auto part = [](const std::string& between, int seqlen = 128) {
    return "[[headline.parts]]\nrelation = \"range\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = " +
           std::to_string(seqlen) + "\nbetween = " + between + "\n";
  };
  EXPECT_EQ(answer_of(part("[1.5, 1.8]"), run).direction, Direction::holds);
  EXPECT_EQ(answer_of(part("[1.7, 1.8]"), run).direction, Direction::outside);
  EXPECT_EQ(answer_of(part("[1.2, 1.6]"), run).direction, Direction::outside);
  EXPECT_EQ(answer_of(part("[1.64, 1.8]"), run).direction, Direction::unresolved);
  EXPECT_EQ(answer_of(part("[1.5, 1.8]") + part("[1.5, 1.8]", 256), run).direction, Direction::in_part);
  EXPECT_EQ(answer_of(part("[0.55, 0.65]\nmeasure = \"time\""), run).direction, Direction::holds);
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
  EXPECT_THAT(answer.sentence, HasSubstr("UNRESOLVED: too noisy to publish. At N = 128"));
  EXPECT_FALSE(answer.parts[0].p.has_value());
}

TEST(ClaimNotTested, AKernelMissingInSomeProcessesHasNoVerdict) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5));
  run.cell(128).kernels[1].unranked = "in 5 of 12 processes";
  const auto answer = answer_of(ratio_part("printed = 1.65"), run);
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_EQ(answer.magnitude, Magnitude::none);
  EXPECT_EQ(answer.parts[0].reason, "gqa(kv=4)/unfused@cpu at N = 128 is not ranked: in 5 of 12 processes");
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
  EXPECT_FALSE(answer.parts[0].p.has_value());
}

std::string tie(const std::string& more = "") {
  return "[[headline.parts]]\nrelation = \"equivalence\"\namong = [\"gqa\", \"mha\"]\nseqlen = 128\n" + more;
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

// gqa against linear at N = 256: exp(0.04 + 0.01) - 1.
TEST(ClaimEquivalence, IsAboutTheLargestDifference) {
  ClaimRun run;
  for (const int seqlen : {128, 256}) {
    const double apart = seqlen == 256 ? 0.04 : 0.001;
    run.add(kMha, seqlen, five(0, 0.001)).add(kGqa, seqlen, five(-apart, 0.0011));
    run.add(kLinear, seqlen, five(0.01, 0.0012));
  }
  const std::string part = "[[headline.parts]]\nrelation = \"equivalence\"\nseqlens = [128, 256]\nmargin = ";
  const auto answer = answer_of(part + "0.02\n", run);
  EXPECT_EQ(answer.direction, Direction::reversed);
  EXPECT_NEAR(answer.parts[0].value->estimate, std::exp(0.05) - 1, 1e-9);
  EXPECT_EQ(answer.parts[0].kernel, kLinear);
  EXPECT_EQ(answer.parts[0].against, kGqa);
  EXPECT_EQ(answer.parts[0].at_seqlen, 256);
  EXPECT_THAT(
      answer.sentence,
      HasSubstr("(linear/two_gemm@cpu beside gqa(kv=4)/unfused@cpu at N = 256); published: below 2 %."));
  EXPECT_EQ(answer_of(part + "0.06\n", run).direction, Direction::holds);
  EXPECT_EQ(answer_of(part + "0.0513\n", run).direction, Direction::unresolved);  // log 1.0513 = 0.05003
}

std::string cv() {
  return "[[headline.parts]]\nrelation = \"cv_bound\"\namong = [\"gqa\"]\nseqlen = 128\nbound = 0.06\n";
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

// All must be below for HOLDS; of two, twice the p of the one above counts for REVERSED.
TEST(ClaimCvBound, IsAboutTheLargest) {
  const double above = std::sqrt(11.1433 * 0.0035935 / 10);
  const auto with = [&](double gqa, double mha) {
    ClaimRun run;
    run.add(kGqa, 128, five(-7, gqa)).add(kMha, 128, five(-7, mha));
    auto text = cv();
    text.replace(text.find("[\"gqa\"]"), 7, "[\"gqa\", \"mha\"]");
    return answer_of(text, run);
  };
  EXPECT_EQ(with(0.01, 0.01).direction, Direction::holds);
  EXPECT_EQ(with(0.01, 1.01 * above).direction, Direction::unresolved);
  const auto reversed = with(0.01, 1.5 * above);
  EXPECT_EQ(reversed.direction, Direction::reversed);
  EXPECT_EQ(reversed.parts[0].kernel, kMha);
  EXPECT_EQ(reversed.parts[0].at_seqlen, 128);
}

// One CV above the bound is enough, whatever the cell without verdicts holds; all below it is not.
TEST(ClaimCvBound, ACellWithoutVerdictsIsLeftOut) {
  ClaimRun run;
  run.add(kGqa, 128, five(-7, 0.3)).add(kGqa, 256, five(-7, 0.01)).add(kGqa, 512, five(-7, 0.5));
  run.cell(512).withheld = "too noisy to publish";
  const auto with = [&](const std::string& seqlens) {
    return answer_of("[[headline.parts]]\nrelation = \"cv_bound\"\namong = [\"gqa\"]\nseqlens = " + seqlens +
                         "\nbound = 0.06\n",
                     run);
  };
  const auto reversed = with("[128, 512]");
  EXPECT_EQ(reversed.direction, Direction::reversed);
  EXPECT_EQ(reversed.parts[0].at_seqlen, 128);
  EXPECT_EQ(with("[128, 256]").direction, Direction::reversed);
  const auto open = with("[256, 512]");
  EXPECT_EQ(open.direction, Direction::unresolved);
  EXPECT_EQ(open.parts[0].reason, "N = 512 left out: too noisy to publish");
  EXPECT_EQ(open.parts[0].at_seqlen, 256);
  run.cell(256).withheld = "too noisy to publish";
  EXPECT_EQ(with("[256, 512]").parts[0].reason, "too noisy to publish");
}

// One process of 1e300 s, and times all the same.
TEST(ClaimText, OfAbsurdTimesIsShort) {
  ClaimRun run;
  run.add(kMha, 128, five(0)).add(kGqa, 128, {0, 0, 0, 0, 690});
  EXPECT_EQ(measured_text(answer_of(cv(), run).parts[0]), "beyond measure (" + kGqa + " at N = 128)");
  EXPECT_LT(measured_text(answer_of(ratio_part("printed = 1.2"), run).parts[0]).size(), 40u);
  ClaimRun far;
  far.against_mha(kGqa, 128, five(690));
  EXPECT_EQ(measured_text(answer_of(ratio_part("printed = 1.2"), far).parts[0]), "5e+299x [no interval]");
}

TEST(ClaimMemory, ExactWithoutAnyTime) {
  ClaimRun run;
  run.add_failed(kGqa, 128, "killed").add_failed(kMha, 128, "killed");
  run.cell(128).kernels[0].work.kv_cache_bytes = 4096.0;
  run.cell(128).kernels[1].work.kv_cache_bytes = 8192.0;
  const std::string part =
      "[[headline.parts]]\nrelation = \"memory\"\nkernel = \"gqa\"\nagainst = \"mha\"\nprinted = ";
  const auto half = answer_of(part + "0.5\n", run);
  EXPECT_EQ(half.direction, Direction::holds);
  EXPECT_EQ(half.parts[0].value->low, 0.5);
  const auto more = answer_of(part + "0.6\n", run);
  EXPECT_EQ(more.direction, Direction::outside);
  run.run().published = true;
  EXPECT_EQ(answer_of(part + "0.5\n", run).direction, Direction::holds);
}

}  // namespace
}  // namespace attnbench
