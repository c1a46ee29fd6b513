#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// All runs of the stores, in order. Throws InputError for a file that is no store, and for a store without
/// samples.
std::vector<RunContents> read_stores(const std::vector<std::string>& files);

}  // namespace attnbench
