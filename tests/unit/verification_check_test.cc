#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "run/verification/check.h"
#include "unit/reference_fixture.h"

namespace attnbench {
namespace {

using reference::small_problem;
using testing::HasSubstr;

template <typename E>
auto& output_of(E& expected, Role role) {
  return *std::find_if(expected.outputs.begin(), expected.outputs.end(),
                       [&](const ExpectedOutput& output) { return output.role == role; });
}

/// Outputs set to exactly what is expected, in f32.
struct Settled {
  Problem problem = small_problem("mha", 4, 4, 2, 0, 8);
  reference::ProblemData data = reference::make_data(problem, reference::InputKind::normal, 1, true);
  Expected expected = expect(problem, data.tensors, reference::sample_rows(problem));

  Settled() {
    for (std::size_t n = 0; n < expected.rows.size(); ++n) {
      const auto& row = expected.rows[n];
      for (std::size_t c = 0; c < 8; ++c)
        data.tensors[Role::o].row<float>(0, row.head, row.query)[c] =
            static_cast<float>(output_of(expected, Role::o).exact[n * 8 + c]);
      *data.tensors[Role::lse].row<float>(0, row.head, row.query) =
          static_cast<float>(output_of(expected, Role::lse).exact[n]);
    }
  }
  CaseResult check(const Demand& demand = {}) const {
    return check_output(problem, data.tensors, expected, demand);
  }
  /// Moves an element of o or lse to so many tolerances from where it should be.
  void move(Role role, double tolerances) {
    const auto& output = output_of(expected, role);
    double largest = role == Role::lse ? 1 : 0;
    for (const double value : output.exact) largest = std::max(largest, std::abs(value));
    const double tolerance = 2 * output.plain_error + 4 * std::pow(2.0, -23) * largest;
    *data.tensors[role].row<float>(0, 0, 0) = static_cast<float>(output.exact[0] + tolerances * tolerance);
  }
};

TEST(Check, PassesTheExactResult) {
  const Settled s;
  const auto result = s.check();
  EXPECT_TRUE(result.passed) << result.reason;
  EXPECT_LT(result.max_error, 1e-6);
}

const Demand kAnotherMakers{10, {}};

TEST(Check, AnotherMakersErrorUpToTenTolerancesPassesAsLessExact) {
  Settled s;
  s.move(Role::o, 5);
  EXPECT_FALSE(s.check().passed) << "nothing is loosened for our own";
  const auto result = s.check(kAnotherMakers);
  EXPECT_TRUE(result.passed);
  EXPECT_THAT(result.reason,
              testing::MatchesRegex("less exact: o off by .*, allowed .* \\((5|4.9.*|5.0.*) times\\)"));
  EXPECT_NEAR(result.share, 5, 0.2);  // o is rounded to f32
  s.move(Role::o, 11);
  EXPECT_FALSE(s.check(kAnotherMakers).passed);
  EXPECT_THAT(s.check(kAnotherMakers).reason, HasSubstr("o[batch 0, head 0, row 0] column 0"));
}

TEST(Check, TheOutputThatIsMostOffIsNamed) {
  Settled s;
  s.move(Role::o, 2);
  s.move(Role::lse, 6);
  EXPECT_THAT(s.check(kAnotherMakers).reason, testing::StartsWith("less exact: lse off by "));
  EXPECT_NEAR(s.check(kAnotherMakers).share, 6, 0.2);
}

TEST(Check, ExactResultsOfAnotherMakerAreNotLessExact) {
  Settled s;
  s.move(Role::o, 0.5);
  EXPECT_TRUE(s.check(kAnotherMakers).passed);
  EXPECT_EQ(s.check(kAnotherMakers).reason, "");
}

TEST(Check, AnotherFunctionPassesWithItsError) {
  Settled s;
  const Demand demand{10, "half of it"};
  EXPECT_THAT(s.check(demand).reason, testing::StartsWith("computes another function: half of it; "))
      << "right by chance is not ranked either";
  s.move(Role::o, 1000);
  EXPECT_TRUE(s.check(demand).passed);
  EXPECT_NEAR(s.check(demand).share, 1000, 1);
  *s.data.tensors[Role::o].row<float>(0, 0, 0) = std::nanf("");
  EXPECT_FALSE(s.check(demand).passed);
}

TEST(Check, ToleranceIsTwicePlainErrorPlusFourUlpOfTheLargest) {
  const Settled s;
  const auto plain = reference::plain_forms(s.problem, s.data.tensors, s.expected.rows);
  ASSERT_EQ(plain.size(), 2U);
  double errors[2] = {}, largest = 0;
  const auto& exact = output_of(s.expected, Role::o).exact;
  for (std::size_t n = 0; n < exact.size(); ++n) {
    for (std::size_t form = 0; form < 2; ++form)
      errors[form] = std::max(errors[form], std::abs(plain[form][Role::o][n] - exact[n]));
    largest = std::max(largest, std::abs(exact[n]));
  }
  EXPECT_NE(errors[0], errors[1]);
  const double error = std::max(errors[0], errors[1]);
  EXPECT_DOUBLE_EQ(s.check().tolerance, 2 * error + 4 * std::pow(2.0, -23) * largest);
}

TEST(Check, NamesRowExpectedAndGot) {
  Settled s;
  auto& element = s.data.tensors[Role::o].row<float>(0, 1, 2)[5];
  element += static_cast<float>(1.5 * s.check().tolerance);
  EXPECT_THAT(s.check().reason, HasSubstr("o[batch 0, head 1, row 2] column 5 is "));
  element = 1000;
  const auto result = s.check();
  EXPECT_FALSE(result.passed);
  EXPECT_THAT(result.reason, HasSubstr("is 1000, expected "));
}

TEST(Check, HalfTheToleranceIsFine) {
  Settled s;
  s.data.tensors[Role::o].row<float>(0, 1, 2)[5] += static_cast<float>(0.5 * s.check().tolerance);
  EXPECT_TRUE(s.check().passed);
}

TEST(Check, EveryRowMustBeFinite) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Settled s;
    s.expected.rows.resize(1);
    output_of(s.expected, Role::o).exact.resize(8);
    output_of(s.expected, Role::lse).exact.resize(1);
    s.data.tensors[Role::o].row<float>(0, 1, 3)[7] = bad;  // not among the expected rows
    const auto result = s.check();
    EXPECT_FALSE(result.passed);
    EXPECT_THAT(result.reason, HasSubstr("o[batch 0, head 1, row 3] column 7 is"));
  }
}

TEST(Check, AnOutputOfNothingButNaNWasNotWritten) {
  Settled s;
  fill_nan(s.data.tensors[Role::o]);
  EXPECT_THAT(s.check().reason, HasSubstr("nothing was written to o, or it was not fetched"));
}

TEST(Check, LseIsJudged) {
  Settled s;
  *s.data.tensors[Role::lse].row<float>(0, 0, 1) += 1e-4f;
  EXPECT_THAT(s.check().reason, HasSubstr("lse[batch 0, head 0, row 1] column 0 is"));
  *s.data.tensors[Role::lse].row<float>(0, 0, 1) = -std::numeric_limits<float>::infinity();
  EXPECT_FALSE(s.check().passed);
}

TEST(Check, HashSeesEveryInputElementAndNoOutput) {
  Settled s;
  auto& t = s.data.tensors;
  const auto before = hash_inputs(s.problem, t);
  t[Role::o].row<float>(0, 0, 0)[0] += 1;
  EXPECT_EQ(hash_inputs(s.problem, t), before);
  for (auto* view : {&t[Role::q], &t[Role::k], &t[Role::v]}) {
    auto& last = view->row<float>(0, 1, 3)[7];
    const float old = last;
    last = std::nextafter(last, 100.0f);
    EXPECT_NE(hash_inputs(s.problem, t), before);
    last = old;
  }
  EXPECT_EQ(hash_inputs(s.problem, t), before);
}

// Rows of 33 elements of 2 bytes end within a word.
TEST(Check, HashSeesTheEndOfARowThatIsNoMultipleOfAWord) {
  const auto problem = small_problem("mha", 4, 4, 1, 0, 33, 1, DType::bf16);
  const auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
  const auto before = hash_inputs(problem, data.tensors);
  data.tensors[Role::q].row_bytes(0, 0, 2)[65] ^= std::byte{1};
  EXPECT_NE(hash_inputs(problem, data.tensors), before);
}

}  // namespace
}  // namespace attnbench
