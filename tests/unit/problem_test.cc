#include "attnbench/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "attnbench/error.h"

namespace attnbench {
namespace {

std::string problem_of_scale(double scale, const char* mechanism = "mha") {
  Problem problem;
  problem.shape.softmax_scale = scale;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), 1, 1);
  try {
    validate(problem);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

TEST(SoftmaxScale, MustBeHeldByF32) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double scale : {1e-46, -1e-46, 1e-38, 5e-324, 1e39, -1e39, 2.4e38, 1e308}) {
    EXPECT_THAT(problem_of_scale(scale), testing::AllOf(testing::HasSubstr("softmax_scale"),
                                                        testing::HasSubstr("neither 0 nor between")))
        << scale;
  }
  for (const double scale : {kInf, -kInf, std::nan("")}) {
    EXPECT_THAT(problem_of_scale(scale), testing::HasSubstr("softmax_scale")) << scale;
  }
  EXPECT_THAT(problem_of_scale(1e-46), testing::HasSubstr("1e-46"));
}

TEST(SoftmaxScale, OfAnySignAndZeroIsMathematics) {
  for (const double scale : {0.0, -0.0, 0.125, -3.0, 1.2e-38, -1.2e-38, 2.3e38, -2.3e38}) {
    EXPECT_EQ(problem_of_scale(scale), "") << scale;
  }
  // Linear mechanisms have none.
  EXPECT_EQ(problem_of_scale(1e-46, "linear"), "");
}

}  // namespace
}  // namespace attnbench
