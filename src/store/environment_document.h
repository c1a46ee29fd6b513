#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// The name of each run's machine in exported rows: its label, with " (2)", " (3)".. where an earlier run has
/// the same, so that a row's machine, cell and process name one process.
std::vector<std::string> machine_names(std::span<const RunContents> runs);

/// What NAME.env.json holds beside NAME.csv: everything of the runs but the rows themselves.
nlohmann::json environment_document(const std::vector<RunContents>& runs);

/// The inverse. Samples hold their priming calls only; the rows give the rest. Throws InputError naming the
/// field.
struct EnvironmentDocument {
  std::vector<std::string> machines;  ///< names of the runs in the rows
  std::vector<RunContents> runs;
};
EnvironmentDocument read_environment_document(const nlohmann::json& document);

}  // namespace attnbench
