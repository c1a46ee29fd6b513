#pragma once

#include <cstddef>
#include <string>

namespace attnbench {

/// Characters of a line of results, at least `least` and at most kTextWidth: those of the terminal that
/// stdout is; where it is none, what COLUMNS says, as of a pipe into a pager, else 80.
std::size_t result_width(std::size_t least = 72);

/// Lines broken at the width of a terminal; elsewhere whole, for whoever searches them.
std::string fitted(const std::string& text);
/// Prints a line of results so.
void print_line(const std::string& line);

}  // namespace attnbench
