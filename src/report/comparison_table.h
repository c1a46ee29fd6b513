#pragma once

#include <cstddef>
#include <string>

#include "analysis/compare.h"
#include "report/text_width.h"

namespace attnbench {

/// A line a kernel and N with its outcome; warnings and the outcome of all last. Ends with a line end.
std::string comparison_table(const Comparison& comparison, std::size_t text_width = kTextWidth);

}  // namespace attnbench
