// What no data may bring about: words that contradict the number beside them.
#include <gmock/gmock.h>

#include "claims/magnitude.h"
#include "claims/part_text.h"
#include "plan/random.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_.next() >> 11) * 0x1p-53;
  }
  int whole(int low, int high) { return static_cast<int>(uniform(low, high + 1)); }

 private:
  SplitMix64 random_;
};

std::string comparison(const std::string& place, const std::string& expect, double printed) {
  return place + "\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = 128\nexpect = \"" +
         expect + "\"\nprinted = " + std::to_string(printed) + "\n";
}

void check(const ClaimPart& part, bool expects_faster, double printed) {
  const auto& value = *part.value;
  const bool above = value.low > 1;
  const bool below = value.high < 1;
  const auto expected = expects_faster ? above : below;
  const auto other = expects_faster ? below : above;
  EXPECT_FALSE(expected && part.direction == Direction::reversed);
  EXPECT_FALSE(other && part.direction == Direction::holds);
  EXPECT_TRUE(part.direction != Direction::holds || expected);
  EXPECT_TRUE(part.direction != Direction::reversed || other);
  switch (part.magnitude) {
    case Magnitude::agrees:
      EXPECT_GE(value.low, printed / kAgreementFactor);
      EXPECT_LE(value.high, printed * kAgreementFactor);
      EXPECT_LE(value.low, printed);
      EXPECT_GE(value.high, printed);
      EXPECT_TRUE(printed > 1 ? above : below);
      break;
    case Magnitude::smaller:
      EXPECT_TRUE(printed > 1 ? value.high < printed : value.low > printed);
      break;
    case Magnitude::larger:
      EXPECT_TRUE(printed > 1 ? value.low > printed : value.high < printed);
      break;
    case Magnitude::opposite:
      EXPECT_TRUE(printed > 1 ? below : above);
      break;
    case Magnitude::too_wide:
    case Magnitude::in_part:
    case Magnitude::none:
      break;
  }
  const auto words = outcome_text(part);
  if (other) {
    EXPECT_THAT(words, testing::Not(testing::HasSubstr("as published")));
    EXPECT_THAT(words, testing::Not(testing::HasSubstr("smaller")));
    EXPECT_THAT(words, testing::Not(testing::HasSubstr("larger")));
    EXPECT_THAT(words, testing::Not(testing::HasSubstr(" by ")));
  }
}

TEST(ClaimLaws, NoVerdictContradictsTheIntervalBesideIt) {
  Draws draws(11);
  int resolved = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    const double centre = draws.uniform(-1.5, 1.5);
    const double spread = std::exp(draws.uniform(std::log(1e-3), std::log(3)));
    std::vector<double> logs(static_cast<std::size_t>(draws.whole(5, 20)));
    for (auto& log : logs) log = centre + spread * draws.uniform(-1, 1);
    ClaimRun run;
    run.against_mha(kGqa, 128, logs);
    const bool faster = draws.whole(0, 1) == 1;
    const double printed =  // as the file has it
        std::stod(std::to_string(std::exp((faster ? 1 : -1) * draws.uniform(0.005, 2))));
    const std::string expect = faster ? "faster" : "slower";
    const auto answer = answer_of(
        comparison("[[headline.parts]]", expect, printed) + comparison("[[details]]", expect, printed), run);
    check(answer.parts[0], faster, printed);
    check(answer.details[0], faster, printed);
    EXPECT_EQ(answer.direction, answer.parts[0].direction);
    resolved += answer.direction != Direction::unresolved;
  }
  EXPECT_GT(resolved, 500);
  EXPECT_LT(resolved, 1900);
}

}  // namespace
}  // namespace attnbench
