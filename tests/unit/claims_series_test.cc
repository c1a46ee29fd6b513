// The relations over several N, and the companion answer.
#include <gmock/gmock.h>

#include "claims/part_text.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string part(const std::string& relation, const std::string& more) {
  return "[[headline.parts]]\nrelation = \"" + relation + "\"\n" + more + "\n";
}

/// gqa against mha with these centres of the log speed at N = 128, 256, ...
ClaimRun speeds(const std::vector<double>& centres, double spread = 0.01) {
  ClaimRun run;
  for (std::size_t i = 0; i < centres.size(); ++i) run.against_mha(kGqa, 128 << i, five(centres[i], spread));
  return run;
}

const std::string kTrend = "kernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [128, 256, 512]\n";

// The slope through three lengths is (last - first) / 2 per doubling; its error comes from the outer two.
TEST(ClaimTrend, GrowthPerDoubling) {
  auto run = speeds({0.1, 0.5, 0.5});
  const auto rising = answer_of(part("trend", kTrend + "expect = \"rising\"\nfrom_means = 1.5"), run);
  EXPECT_EQ(rising.direction, Direction::holds);
  EXPECT_NEAR(rising.parts[0].value->estimate, std::exp(0.2), 1e-9);
  // Welch: se = sqrt(2) sqrt(0.5) 0.01 / 2, 8 degrees of freedom, t = 2.306004.
  EXPECT_NEAR(rising.parts[0].value->high, std::exp(0.2 + 2.306004 * 0.005), 1e-6);
  EXPECT_EQ(rising.magnitude, Magnitude::smaller);
  EXPECT_EQ(answer_of(part("trend", kTrend + "expect = \"falling\""), run).direction, Direction::reversed);
  const auto time = answer_of(part("trend", kTrend + "expect = \"falling\"\nmeasure = \"time\""), run);
  EXPECT_EQ(time.direction, Direction::holds);
  EXPECT_NEAR(time.parts[0].value->estimate, std::exp(-0.2), 1e-9);
  auto flat = speeds({0.1, 0.5, 0.105});
  EXPECT_EQ(answer_of(part("trend", kTrend + "expect = \"rising\""), flat).direction, Direction::unresolved);
}

const std::string kCross =
    "kernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [128, 256, 512, 1024]\nbetween = [300, 450]\n";

// Between 256 and 512 from -0.3 to 0.3: zero at 256 sqrt(2) = 362.04.
TEST(ClaimCrossover, WithinTheRange) {
  auto run = speeds({-0.5, -0.3, 0.3, 0.5});
  const auto answer = answer_of(part("crossover", kCross), run);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::agrees);
  EXPECT_EQ(published_text(answer.parts[0].spec), "300 to 450");
  EXPECT_NEAR(answer.parts[0].value->estimate, 256 * std::sqrt(2.0), 1e-6);
  EXPECT_EQ(answer_of(part("crossover", kCross + "printed = 320"), run).magnitude, Magnitude::larger);
  EXPECT_EQ(answer_of(part("crossover", kCross + "printed = 400"), run).magnitude, Magnitude::smaller);
}

TEST(ClaimCrossover, ElsewhereNowhereOrUnclear) {
  auto earlier = speeds({-0.1, 0.3, 0.3, 0.5});
  EXPECT_EQ(answer_of(part("crossover", kCross), earlier).direction, Direction::outside);
  EXPECT_EQ(answer_of(part("crossover", kCross), earlier).magnitude, Magnitude::smaller);
  auto faster = speeds({0.1, 0.3, 0.3, 0.5});
  const auto none = answer_of(part("crossover", kCross), faster);
  EXPECT_EQ(none.direction, Direction::outside);
  EXPECT_EQ(none.magnitude, Magnitude::smaller);
  EXPECT_FALSE(none.parts[0].value.has_value());
  EXPECT_THAT(none.sentence,
              HasSubstr("over N, from 128 to 1024: faster at every N; published: 300 to 450."));
  auto slower = speeds({-0.9, -0.8, -0.5, -0.4});
  EXPECT_EQ(answer_of(part("crossover", kCross), slower).direction, Direction::outside);
  EXPECT_THAT(answer_of(part("crossover", kCross), slower).sentence, HasSubstr("slower at every N"));
  EXPECT_EQ(answer_of(part("crossover", kCross), slower).magnitude, Magnitude::larger);
  auto near = speeds({-0.5, -0.02, 0.02, 0.5}, 0.05);
  EXPECT_EQ(answer_of(part("crossover", kCross), near).direction, Direction::unresolved);
}

// Of times that are all the same neither is faster: nothing is slower "at every length" at a ratio of 1.00.
TEST(ClaimCrossover, TiesAreNeitherFasterNorSlower) {
  auto tied = speeds({0, 0, 0, 0}, 0);
  const auto answer = answer_of(part("crossover", kCross), tied);
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_THAT(measured_text(answer.parts[0]), Not(HasSubstr("at every N")));
  auto mixed = speeds({0.1, -0.00001, 0.1, 0.2}, 0.001);
  EXPECT_FALSE(answer_of(part("crossover", kCross), mixed).parts[0].never_slower);
}

// From one process each nothing is known of the error: no interval, no magnitude, no verdict.
TEST(ClaimCrossover, OneProcessSaysNothing) {
  ClaimRun run;
  const std::vector<double> speeds{-0.5, -0.3, 0.3, 0.5};
  for (std::size_t i = 0; i < speeds.size(); ++i) run.against_mha(kGqa, 128 << i, {speeds[i]});
  const auto answer = answer_of(part("crossover", kCross), run);
  EXPECT_EQ(answer.direction, Direction::unresolved);
  EXPECT_EQ(answer.magnitude, Magnitude::none);
  EXPECT_FALSE(answer.parts[0].value->is_bounded());
}

ClaimRun times(const std::vector<double>& mha, const std::vector<double>& gqa) {
  ClaimRun run;
  for (std::size_t i = 0; i < mha.size(); ++i) {
    run.add(kMha, 128 << i, five(mha[i]));
    run.add(kGqa, 128 << i, five(gqa[i]));
  }
  return run;
}

TEST(ClaimStep, AgainstTheStepBefore) {
  auto run = times({0, 0.2, 1.2}, {0, 1, 1.1});
  const std::string steps = "seqlens = [256, 512]\nagainst_seqlens = [128, 256]\nexpect = \"larger\"\n";
  const auto elbow = answer_of(
      part("step", "kernel = \"mha\"\nprinted = 2.7\nfrom_means = 2.7\nagainst_from_means = 1.2\n" + steps),
      run);
  EXPECT_EQ(elbow.direction, Direction::holds);
  EXPECT_EQ(elbow.magnitude, Magnitude::agrees);
  EXPECT_THAT(elbow.sentence,
              HasSubstr("From N = 256 to 512 the time of mha/unfused@cpu grows by a factor of 2.72x "));
  // The quotient exp(0.8) = 2.23, the published one 2.7 / 1.2 = 2.25.
  EXPECT_THAT(elbow.sentence, HasSubstr("] (N = 128 to 256), quotient 2.23x ["));
  EXPECT_THAT(elbow.sentence, HasSubstr("]; published: 2.7x (quotient 2.25x by its means)."));
  EXPECT_EQ(estimate_text(elbow.parts[0]), "2.23x (2.72x vs 1.22x)");
  EXPECT_NEAR(elbow.parts[0].value->estimate, std::exp(1.0), 1e-9);
  EXPECT_NEAR(elbow.parts[0].other->estimate, std::exp(0.2), 1e-9);
  EXPECT_EQ(answer_of(part("step", "kernel = \"gqa\"\n" + steps), run).direction, Direction::reversed);
  auto even = times({0, 1.0, 2.01}, {0, 0, 0});
  EXPECT_EQ(answer_of(part("step", "kernel = \"mha\"\n" + steps), even).direction, Direction::unresolved);
}

// Per doubling: exp(1) from 128 to 256 equals exp(2) from 128 to 512, which is the larger step.
TEST(ClaimStep, OfOtherLengthsIsComparedPerDoubling) {
  auto run = times({0, 0.8, 2.0}, {0, 0, 0});
  const std::string steps = "kernel = \"mha\"\nseqlens = [128, 512]\nagainst_seqlens = [128, 256]\n";
  EXPECT_EQ(answer_of(part("step", steps + "expect = \"larger\""), run).direction, Direction::holds);
  auto less = times({0, 1.2, 2.0}, {0, 0, 0});
  EXPECT_EQ(answer_of(part("step", steps + "expect = \"larger\""), less).direction, Direction::reversed);
}

// Processes are five() of both kernels, so that their ratio is the same in each and differs by length alone.
TEST(ClaimStep, AgainstAnotherKernelIsPaired) {
  auto run = times({0, 1.0}, {0, 0.99});
  const std::string text = "kernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [128, 256]\nexpect = \"smaller\"";
  EXPECT_EQ(answer_of(part("step", text), run).direction, Direction::holds);
  auto more = times({0, 1.0}, {0, 1.01});
  EXPECT_EQ(answer_of(part("step", text), more).direction, Direction::reversed);
}

// A step of e^1.2 against e^1.1: the raw step is larger than a published 2, the elbow is smaller.
TEST(ClaimStep, IsSizedByItsQuotientToTheOtherStep) {
  auto run = times({0, 1.1, 2.3}, {0, 1, 1.3});
  const std::string steps = "kernel = \"mha\"\nseqlens = [256, 512]\nagainst_seqlens = [128, 256]\n";
  const auto size = [&](const std::string& more) {
    return answer_of(part("step", steps + more), run).magnitude;
  };
  EXPECT_EQ(size("expect = \"larger\"\nfrom_means = 2\nagainst_from_means = 1.2"), Magnitude::smaller);
  EXPECT_EQ(size("expect = \"larger\"\nfrom_means = 2\nagainst_from_means = 1.95"), Magnitude::larger);
  EXPECT_EQ(size("expect = \"larger\"\nprinted = 2"), Magnitude::none);
  EXPECT_EQ(size("expect = \"larger\"\nfrom_means = 2\nagainst_from_means = 2.2"), Magnitude::none);
  // gqa's step from 256 to 512 is e^0.3, mha's e^1.2: 0.41 of it. Less than 0.8 of it is a larger effect.
  const std::string kernels =
      "kernel = \"gqa\"\nagainst = \"mha\"\nseqlens = [256, 512]\nexpect = \"smaller\"\n";
  const auto beside = [&](const std::string& more) {
    return answer_of(part("step", kernels + more), run).magnitude;
  };
  EXPECT_EQ(beside("from_means = 1.6\nagainst_from_means = 2"), Magnitude::larger);
  EXPECT_EQ(beside("from_means = 0.6\nagainst_from_means = 2"), Magnitude::smaller);
}

// From 128 to 512 are two doublings: sqrt(9) / 2.4 = 1.25.
TEST(ClaimStep, ThePublishedQuotientIsPerDoubling) {
  const auto claim = claim_of(part("step",
                                   "kernel = \"mha\"\nseqlens = [128, 512]\nagainst_seqlens = [128, 256]\n"
                                   "expect = \"larger\"\nfrom_means = 9\nagainst_from_means = 2.4"));
  EXPECT_NEAR(*claim.headline.parts[0].published_quotient(), 1.25, 1e-12);
}

TEST(ClaimSlope, AgainstABoundOrAKernel) {
  const double two = 2 * std::log(2.0);
  auto run = times({0, two, 2 * two}, {0, two / 2, two});
  const std::string lengths = "seqlens = [128, 256, 512]\n";
  const auto above = answer_of(
      part("slope", "kernel = \"mha\"\nexpect = \"above\"\nbound = 1\nprinted = 1.73\n" + lengths), run);
  EXPECT_EQ(above.direction, Direction::holds);
  EXPECT_NEAR(above.parts[0].value->estimate, 2, 1e-9);
  EXPECT_EQ(above.magnitude, Magnitude::larger);
  const auto open =
      answer_of(part("slope", "kernel = \"gqa\"\nexpect = \"above\"\nbound = 1\n" + lengths), run);
  EXPECT_EQ(open.direction, Direction::unresolved);
  const auto below =
      answer_of(part("slope", "kernel = \"gqa\"\nagainst = \"mha\"\nexpect = \"below\"\n" + lengths), run);
  EXPECT_EQ(below.direction, Direction::holds);
  EXPECT_NEAR(below.parts[0].other->estimate, 2, 1e-9);
  EXPECT_EQ(
      answer_of(part("slope", "kernel = \"gqa\"\nagainst = \"mha\"\nexpect = \"above\"\n" + lengths), run)
          .direction,
      Direction::reversed);
}

ClaimRun three(const std::vector<std::vector<double>>& log_seconds) {
  ClaimRun run;
  for (std::size_t i = 0; i < log_seconds.size(); ++i) {
    run.add(kMha, 128 << i, std::vector(5, log_seconds[i][0]));
    run.add(kGqa, 128 << i, five(log_seconds[i][1]));
    run.add(kLinear, 128 << i, five(log_seconds[i][2], 0.011));
  }
  return run;
}
const std::string kAmong = "among = [\"mha\", \"gqa\", \"linear\"]\n";

TEST(ClaimBestSet, AWinnerIsTheFastestOfAll) {
  auto run = three({{0, -1, -0.5}});
  const auto winner = [&](const std::string& kernel) {
    return answer_of(part("best_set", kAmong + "kernel = \"" + kernel + "\"\nseqlen = 128"), run);
  };
  EXPECT_EQ(winner("gqa").direction, Direction::holds);
  EXPECT_EQ(winner("linear").direction, Direction::reversed);
  EXPECT_THAT(winner("gqa").parts[0].best[0].kernels, ElementsAre(kGqa));
  auto tied = three({{0, -1, -1.001}});
  const auto open = answer_of(part("best_set", kAmong + "kernel = \"gqa\"\nseqlen = 128"), tied);
  EXPECT_EQ(open.direction, Direction::unresolved);
  EXPECT_THAT(open.parts[0].best[0].kernels, ElementsAre(kLinear, kGqa));
}

TEST(ClaimBestSet, AReversalSaysWhoWins) {
  auto run = three({{0, -1, -0.5}, {0, -1, -0.5}});
  const auto one = answer_of(part("best_set", kAmong + "kernel = \"linear\"\nseqlen = 128"), run);
  EXPECT_THAT(one.sentence, HasSubstr(kGqa + " is faster than " + kLinear + " at N = 128."));
  const auto all = answer_of(part("best_set", kAmong + "seqlens = [128, 256]"), run);
  EXPECT_THAT(all.sentence, HasSubstr(kGqa + " is faster than all others at N = 128, 256."));
  EXPECT_THAT(all.sentence, Not(HasSubstr("may be")));
  EXPECT_EQ(estimate_text(all.parts[0]), "fastest at all N: " + kGqa);
  auto tied = three({{0, -1, -1.001}});
  EXPECT_EQ(
      estimate_text(answer_of(part("best_set", kAmong + "kernel = \"gqa\"\nseqlen = 128"), tied).parts[0]),
      "fastest at N = 128: 1 of 2");
}

TEST(ClaimBestSet, NoOneWinsEverywhere) {
  const auto direction = [](ClaimRun run) {
    return answer_of(part("best_set", kAmong + "seqlens = [128, 256]"), run).direction;
  };
  EXPECT_EQ(direction(three({{0, -1, -0.5}, {0, -0.5, -1}})), Direction::holds);
  EXPECT_EQ(direction(three({{0, -1, -0.5}, {0, -1, -0.5}})), Direction::reversed);
  EXPECT_EQ(direction(three({{0, -1, -0.5}, {0, -1, -1.001}})), Direction::unresolved);
}

const std::string kFasterClaim =
    "[best]\ngqa = \"gqa(kv=4)/\"\n[[headline.parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = "
    "\"mha\"\nseqlen = 128\nexpect = \"slower\"\n";

TEST(ClaimCompanion, TakesTheFastestKernelOfTheMechanism) {
  ClaimRun run;
  run.against_mha(kGqa, 128, five(-0.5))
      .add("gqa(kv=4)/fused@cpu:avx512", 128, five(-0.4))
      .add("gqa(kv=4)/fused@cpu:amx", 128, five(-0.6));
  const auto answers = answers_of(claim_of(kFasterClaim), run.run());
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].direction, Direction::holds);
  EXPECT_EQ(answers[1].form, Form::best);
  EXPECT_EQ(answers[1].parts[0].kernel, "gqa(kv=4)/fused@cpu:amx");
  EXPECT_EQ(answers[1].direction, Direction::reversed);
  EXPECT_THAT(answers[1].sentence, HasSubstr("about the published kernels, not about the mechanisms"));
}

// t = 2.9: p = 0.0441 for a kernel named beforehand, 0.0882 for the faster of two; the published kernel's is
// smaller and leaves the family to it.
TEST(ClaimCompanion, PaysForTheChoice) {
  ClaimRun run;
  const double log_speed = 2.9 * 0.70710678 * 0.01;
  run.against_mha(kGqa, 128, five(-5)).against_mha("gqa(kv=4)/fused@cpu", 128, five(log_speed));
  const auto answers = answers_of(claim_of(kFasterClaim), run.run());
  EXPECT_EQ(answers[1].direction, Direction::unresolved);
  EXPECT_NEAR(*answers[1].parts[0].p, 0.0882, 0.0002);
}

TEST(ClaimOrder, PublishedSettingFirst) {
  ClaimRun core("core"), layer;
  core.against_mha(kGqa, 128, five(-0.5));
  layer.against_mha(kGqa, 128, five(0.5));
  auto run = core.run();
  run.groups.push_back(layer.run().groups[0]);
  const auto answers = answers_of(claim_of(kFasterClaim), run);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].scope, "layer");
  EXPECT_TRUE(answers[0].as_published);
  EXPECT_EQ(answers[2].scope, "core");
  EXPECT_FALSE(answers[2].as_published);
}

}  // namespace
}  // namespace attnbench
