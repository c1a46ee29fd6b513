#include "core/real_number.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

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

/// macOS hands so many characters to strtod, which by itself would take more: blanks, signs, hexadecimal
/// digits.
TEST(RealNumber, IsAsLongAsFromCharsReads) {
  for (const std::string text :
       {"1",     "-1",   "1.",    ".5",        "-.5e3",  "1e5",     "1e",     "1e+",      "1e-7x",
        "1.2.3", "+1",   " 1",    "0x1p3",     "inf",    "INFx",    "infini", "infinity", "-inf",
        "nan",   "nan(", "nan()", "nan(a_1)z", "NaN(-)", "",        "-",      ".",        "e5",
        "1E05",  "--1",  "12h",   "1_000",     "0",      "-0.0e-0%"}) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto expected = error == std::errc{} ? end - text.data() : 0;
    EXPECT_EQ(length_of_real(text), static_cast<std::size_t>(expected)) << text;
  }
}

}  // namespace
}  // namespace attnbench
