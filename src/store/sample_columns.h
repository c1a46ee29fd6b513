#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// One sample with all it belongs to.
struct SampleRow {
  const std::string& machine;
  const CellRecord& cell;
  const KernelRecord* kernel;  ///< null for the sentinel
  const ProcessRecord& process;
  const SampleRecord& sample;
};

/// A column of the exported samples. null is an empty field.
struct SampleColumn {
  const char* name;
  nlohmann::json (*value)(const SampleRow& row);
};

/// The stable header, in order. `valid` and `reason` speak for the sample and its process together: the
/// reason of an invalid process is written as "process: REASON".
const std::vector<SampleColumn>& sample_columns();

/// Text of a value in CSV, not yet quoted. A number's text reads back as the same number.
std::string csv_text(const nlohmann::json& value);

/// The kernel of a cell by its id; null when absent.
const KernelRecord* find_kernel(const CellRecord& cell, const std::string& kernel_id);

}  // namespace attnbench
