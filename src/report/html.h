#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace attnbench {

/// The report as one HTML file that loads nothing else: template, style and scripts of report/page, figure
/// specifications, the JavaScript bundle of Vega, and the summary (docs/summary.schema.json). Computes no
/// statistic: numbers are rounded to 7 significant digits, blocks become integers of `block_unit` seconds,
/// and lists of like objects name their keys once; else nothing changes. Where the page would exceed
/// `limit_bytes` the blocks are left out. Throws InputError for JSON that is no such summary, and where the
/// program was built without the bundle, naming the command that makes it.
std::string html_report(const nlohmann::json& summary, std::size_t limit_bytes = 5'000'000);

}  // namespace attnbench
