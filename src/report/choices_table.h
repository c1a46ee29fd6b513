#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/text_width.h"

namespace attnbench {

/// What dispatch chooses, for a terminal: of each mechanism, element type, phase and number of threads the
/// kernels over the sequence length, neighbours with the same one together; then what is observed of the
/// regret. Of a summary.json with a profile; empty without one. Ends with a line end.
std::string choices_table(const nlohmann::json& summary, std::size_t width = kTextWidth);

/// The same as Markdown.
std::string choices_markdown(const nlohmann::json& summary);

}  // namespace attnbench
