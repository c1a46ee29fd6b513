#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/store.h"

namespace attnbench {

/// All runs of a store, in order.
std::vector<RunContents> all_contents(const Store& store);

/// One line a sample under the stable header (see sample_columns.h).
std::string samples_csv(const std::vector<RunContents>& runs);
/// One JSON object a sample, its keys the CSV's columns in their order.
std::string samples_jsonl(const std::vector<RunContents>& runs);
/// Text of the file that goes beside them and completes them.
std::string environment_text(const std::vector<RunContents>& runs);
/// "dir/NAME.csv" -> "dir/NAME.env.json".
std::string environment_file(const std::string& samples_file);

}  // namespace attnbench
