#pragma once

#include <cstddef>
#include <string>

namespace attnbench {

/// Characters of a line of results: those of the terminal that stdout is, at least 72 and at most kTextWidth;
/// kTextWidth where it is none.
std::size_t result_width();

/// Lines broken at the width of a terminal; elsewhere whole, for whoever searches them.
std::string fitted(const std::string& text);
/// Prints a line of results so.
void print_line(const std::string& line);

}  // namespace attnbench
