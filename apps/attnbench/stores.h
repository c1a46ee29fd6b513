#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// All runs of the files, in order: stores, exported CSV, the published table (store/import.h). Throws
/// InputError for a file that is none of these, and for a run without samples.
std::vector<RunContents> read_stores(const std::vector<std::string>& files);

}  // namespace attnbench
