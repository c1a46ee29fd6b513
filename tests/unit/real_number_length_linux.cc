// Against from_chars, which macOS before 26 lacks.
#include <gtest/gtest.h>

#include <charconv>
#include <string>
#include <system_error>

#include "core/real_number.h"

namespace attnbench {
namespace {

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
