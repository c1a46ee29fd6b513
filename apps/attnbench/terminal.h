#pragma once

#include <cstddef>
#include <string>

namespace attnbench {

/// Characters of a line of results: those of the terminal that stdout is, at least 72 and at most kTextWidth;
/// kTextWidth where it is none.
std::size_t result_width();

/// Prints a line of results, broken at the width of a terminal; elsewhere whole, for whoever searches it.
void print_line(const std::string& line);

}  // namespace attnbench
