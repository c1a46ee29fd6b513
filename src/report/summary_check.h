#pragma once

#include <nlohmann/json_fwd.hpp>

namespace attnbench {

/// Throws InputError unless the document says that it is a summary of the version this program knows, with
/// runs.
void require_summary(const nlohmann::json& summary);

/// Throws InputError naming the first field that breaks docs/summary.schema.json, as
/// "runs[0].groups[2].scope". For summaries that come from a file: what reads them takes the schema's word.
void check_summary(const nlohmann::json& summary);

}  // namespace attnbench
