#pragma once

#include <cstddef>

namespace attnbench {

/// Characters of a line of results: those of the terminal that stdout is, at least 72 and at most kTextWidth;
/// kTextWidth where it is none.
std::size_t result_width();

}  // namespace attnbench
