#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

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
