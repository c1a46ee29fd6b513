#pragma once

#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// One page for a message or a blog, for each run: machine and study; at each N what to use in place of which
/// baseline, by how much, how sure that is; what was not measured and why. As Markdown, and as an HTML file
/// that loads nothing.
std::string brief_markdown(const Analysis& analysis);
std::string brief_html(const Analysis& analysis);

}  // namespace attnbench
