// Processes in two groups: what a mean says of them is not what either group says.
#include <gmock/gmock.h>

#include "claims/part_text.h"
#include "stats/modes.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

/// Five processes around each centre.
std::vector<double> two_groups(double low, double high) {
  std::vector<double> logs;
  for (const double centre : {low, high}) {
    for (int i = -2; i <= 2; ++i) logs.push_back(centre + 1e-4 * i);
  }
  return logs;
}

/// Eight processes are 5 % faster, two 1 % slower: t = 4.7, and the second smallest value is below 0.
std::vector<double> mostly_faster() {
  std::vector<double> logs{-0.0101, -0.0099};
  for (int i = 0; i < 8; ++i) logs.push_back(0.05 + 1e-4 * i);
  return logs;
}

std::string ratio(const std::string& lengths, const std::string& more = "") {
  return "[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\n" + lengths +
         "\nexpect = \"faster\"\n" + more;
}

// The t interval of the two groups is +-0.0226, that of the median the second and ninth value, +-0.0301.
TEST(ClaimModes, EquivalenceNeedsTheWholeWideInterval) {
  ClaimRun run;
  run.against_mha(kGqa, 128, two_groups(-0.03, 0.03));
  const auto tie = [&](const std::string& margin) {
    return answer_of(
        "[[headline.parts]]\nrelation = \"equivalence\"\namong = [\"gqa\", \"mha\"]\nseqlen = 128\nmargin "
        "= " +
            margin + "\n",
        run);
  };
  const auto narrow = tie("0.025");
  EXPECT_EQ(narrow.direction, Direction::unresolved);
  EXPECT_TRUE(narrow.parts[0].modes);
  EXPECT_EQ(narrow.parts[0].reason, "modes among the processes");
  EXPECT_NEAR(narrow.parts[0].value->high, std::exp(0.0301) - 1, 1e-9);
  EXPECT_THAT(measured_text(narrow.parts[0]), HasSubstr("at N = 128), modes"));
  EXPECT_EQ(tie("0.05").direction, Direction::holds);
}

TEST(ClaimModes, ADirectionNeedsTheWholeWideInterval) {
  ClaimRun run;
  run.against_mha(kGqa, 128, mostly_faster()).against_mha(kGqa, 256, two_groups(0.1, 0.2));
  const auto open = answer_of(ratio("seqlen = 128"), run);
  EXPECT_EQ(open.direction, Direction::unresolved);
  const auto& value = *open.parts[0].value;
  EXPECT_NEAR(value.low, std::exp(-0.0099), 1e-9);  // the second smallest
  EXPECT_NEAR(value.high, std::exp(stats::interval_with_modes(mostly_faster()).high), 1e-9);
  EXPECT_EQ(open.parts[0].reason, "modes among the processes");
  const auto shown = answer_of(ratio("seqlen = 256"), run);
  EXPECT_EQ(shown.direction, Direction::holds);
  EXPECT_TRUE(shown.parts[0].modes);
  EXPECT_THAT(shown.sentence, HasSubstr(", modes."));
  const auto in_time = answer_of(ratio("seqlen = 128", "measure = \"time\"\n"), run);
  EXPECT_NEAR(in_time.parts[0].value->high, std::exp(0.0099), 1e-9);
}

TEST(ClaimModes, ARangeNeedsTheWholeWideInterval) {
  ClaimRun run;
  run.against_mha(kGqa, 128, two_groups(-0.03, 0.03));
  const auto within = [&](const std::string& between) {
    return answer_of(
               "[[headline.parts]]\nrelation = \"range\"\nkernel = \"gqa\"\nagainst = \"mha\"\n"
               "seqlen = 128\nbetween = " +
                   between + "\n",
               run)
        .direction;
  };
  EXPECT_EQ(within("[0.976, 1.025]"), Direction::unresolved);
  EXPECT_EQ(within("[0.96, 1.04]"), Direction::holds);
}

// One length with modes widens the mean of both: 0.0481 below its own mean at 128, halved, is below 0.
TEST(ClaimModes, SpoilAMeanOverLengthsAndATrend) {
  ClaimRun run;
  std::vector<double> steady;
  for (int i = 0; i < 10; ++i) steady.push_back(-0.02 + 1e-4 * i);
  run.against_mha(kGqa, 128, mostly_faster()).against_mha(kGqa, 256, steady);
  const auto mean = answer_of(ratio("seqlens = [128, 256]"), run);
  EXPECT_TRUE(mean.parts[0].modes);
  EXPECT_LT(mean.parts[0].value->low, 1);
  EXPECT_EQ(mean.direction, Direction::unresolved);
  const auto trend = answer_of(
      "[[headline.parts]]\nrelation = \"trend\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [128, 256]\n"
      "expect = \"falling\"\n",
      run);
  EXPECT_TRUE(trend.parts[0].modes);
}

TEST(ClaimModes, NoKernelIsTheFastestByAMeanOfTwoGroups) {
  ClaimRun run;
  run.against_mha(kGqa, 128, mostly_faster());
  const auto best = answer_of(
      "[[headline.parts]]\nrelation = \"best_set\"\namong = [\"gqa\", \"mha\"]\nkernel = \"gqa\"\nseqlen = "
      "128\n",
      run);
  EXPECT_EQ(best.direction, Direction::unresolved);
  EXPECT_TRUE(best.parts[0].modes);
}

TEST(ClaimModes, WithoutThemAnIntervalIsAsBefore) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(0.5));
  EXPECT_FALSE(answer_of(ratio("seqlen = 128"), run).parts[0].modes);
}

}  // namespace
}  // namespace attnbench
