#include "plan/ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnbench/error.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(std::string_view text) {
  try {
    parse_numbers("seqlen", text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Ranges, NumbersListsAndSteps) {
  EXPECT_THAT(parse_numbers("n", "128"), ElementsAre(128));
  EXPECT_THAT(parse_numbers("n", "128,256"), ElementsAre(128, 256));
  EXPECT_THAT(parse_numbers("n", "128..4096*2"), ElementsAre(128, 256, 512, 1024, 2048, 4096));
  EXPECT_THAT(parse_numbers("n", "8..64+8"), ElementsAre(8, 16, 24, 32, 40, 48, 56, 64));
  EXPECT_THAT(parse_numbers("n", "1,100..350*3,7"), ElementsAre(1, 100, 300, 7));
  EXPECT_THAT(parse_numbers("n", "5..5*2"), ElementsAre(5));
  EXPECT_THAT(parse_numbers("n", "0..3+2"), ElementsAre(0, 2));
}

TEST(Ranges, EndsAtTheLargestNumberWithoutOverflow) {
  EXPECT_THAT(parse_numbers("n", "4611686018427387904..9223372036854775807*2"),
              ElementsAre(4611686018427387904));
  EXPECT_THAT(parse_numbers("n", "9223372036854775800..9223372036854775807+5"),
              ElementsAre(9223372036854775800, 9223372036854775805));
}

TEST(Ranges, ErrorsNameFieldValueAndProblem) {
  EXPECT_THAT(error_of("128,x"), AllOf(HasSubstr("seqlen"), HasSubstr("'x'"), HasSubstr("not a number")));
  EXPECT_THAT(error_of("128..256"), AllOf(HasSubstr("'128..256'"), HasSubstr("step")));
  EXPECT_THAT(error_of("256..128*2"), HasSubstr("goes down"));
  EXPECT_THAT(error_of("1..8*1"), HasSubstr("less than 2"));
  EXPECT_THAT(error_of("1..8+0"), HasSubstr("less than 1"));
  EXPECT_THAT(error_of("0..8*2"), HasSubstr("never ends"));
  EXPECT_THAT(error_of("-4"), HasSubstr("negative"));
  EXPECT_THAT(error_of("-4..8+4"), HasSubstr("negative"));
  EXPECT_THAT(error_of("1.5"), HasSubstr("not a number"));
  EXPECT_THAT(error_of(""), HasSubstr("empty place"));
  EXPECT_THAT(error_of("128,"), HasSubstr("empty place"));
  EXPECT_THAT(error_of("1..*2"), HasSubstr("not a number"));
  EXPECT_THAT(error_of("99999999999999999999"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of("1..9000000000+1"), HasSubstr("more than 10000"));
}

TEST(SplitList, KeepsCommasInsideParentheses) {
  EXPECT_THAT(split_list("mechanism", "mha,block_sparse(bs=32,globals=1),linear"),
              ElementsAre("mha", "block_sparse(bs=32,globals=1)", "linear"));
}

TEST(ParseSeconds, UnitsAddUp) {
  EXPECT_DOUBLE_EQ(parse_seconds("budget", "90s"), 90);
  EXPECT_DOUBLE_EQ(parse_seconds("budget", "20m"), 1200);
  EXPECT_DOUBLE_EQ(parse_seconds("budget", "1h30m"), 5400);
  EXPECT_DOUBLE_EQ(parse_seconds("budget", "0.5h"), 1800);
  for (const auto* text : {"", "20", "m", "20x", "-1s", "0s", "1h30", "nans", "infs", "1e300h"}) {
    EXPECT_THROW(parse_seconds("budget", text), InputError) << text;
  }
}

}  // namespace
}  // namespace attnbench
