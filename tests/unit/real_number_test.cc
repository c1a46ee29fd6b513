#include "core/real_number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace attnbench {
namespace {

TEST(RealNumber, TakesANumberAndLeavesTheRest) {
  std::string_view text = "1.5h30m";
  EXPECT_EQ(take_real(text), 1.5);
  EXPECT_EQ(text, "h30m");
  EXPECT_EQ(take_real(text), std::nullopt);
  EXPECT_EQ(text, "h30m");
}

TEST(RealNumber, TheWholeTextOrNothing) {
  EXPECT_EQ(parse_real("-2e-3"), -0.002);
  EXPECT_EQ(parse_real("inf"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(parse_real("nan").value()));
  EXPECT_EQ(parse_real("5e-324"), std::numeric_limits<double>::denorm_min());
  for (const auto* bad : {"", "+1", " 1", "1 ", "1,5", "0x10", "1e999", "-", ".", "e5"})
    EXPECT_EQ(parse_real(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace attnbench
