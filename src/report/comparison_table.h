#pragma once

#include <cstddef>
#include <string>

#include "analysis/compare.h"
#include "report/text_width.h"

namespace attnbench {

/// A line a kernel and N with its outcome; warnings and the outcome of all last. Ends with a line end.
std::string comparison_table(const Comparison& comparison, std::size_t text_width = kTextWidth);

/// For a pull request: the outcome first, then what did not pass; what did is folded away.
std::string comparison_markdown(const Comparison& comparison);

/// One line a kernel and N. Ratios are old time / new time, times are in seconds; unknown values are empty.
std::string comparison_csv(const Comparison& comparison);

}  // namespace attnbench
