#include "report/text_width.h"

#include <gtest/gtest.h>

namespace attnbench {
namespace {

TEST(TextWidth, CountsCharacters) {
  EXPECT_EQ(width_of("±% µs"), 5U);
  EXPECT_EQ(width_of(""), 0U);
}

TEST(Wrapped, BreaksLongLinesAtSpacesAndIndentsTheRest) {
  const std::string word(50, 'x');
  EXPECT_EQ(wrapped("short  line\n\n"), "short  line\n\n");
  EXPECT_EQ(wrapped("  " + word + " " + word + " " + word + "\nend"),
            "  " + word + " " + word + "\n      " + word + "\nend");
  EXPECT_EQ(wrapped(std::string(60, 'a') + " " + std::string(59, 'b')),
            std::string(60, 'a') + " " + std::string(59, 'b'))
      << "120 characters fit";
  EXPECT_EQ(wrapped(std::string(200, 'a')), std::string(200, 'a')) << "no place to break";
}

}  // namespace
}  // namespace attnbench
