#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// All runs of the files, in order: stores, exported CSV, the published table (store/import.h). Throws
/// InputError for a file that is none of these, and for a run without samples.
std::vector<RunContents> read_stores(const std::vector<std::string>& files);

/// An option that names a file to write, and the file; empty where it was not given.
struct Output {
  const char* option;
  std::string file;
};
/// To be called before any work: throws InputError for an output that cannot be written, that is also an
/// input, or that two options name.
void check_outputs(const std::vector<Output>& outputs, const std::vector<std::string>& inputs);

}  // namespace attnbench
