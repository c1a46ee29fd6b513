#pragma once

#include <string>
#include <string_view>

namespace attnbench {

/// Text as it may stand in a cell of a Markdown table: on one line, its bars escaped.
std::string for_markdown(std::string_view text);

}  // namespace attnbench
