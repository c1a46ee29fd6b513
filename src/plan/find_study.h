#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/overrides.h"
#include "plan/study.h"

namespace attnbench {

/// Reads a study from TOML, applies overrides and forms its cells. `source` stands in messages about
/// what it says itself. Throws InputError as parse_study_tables(), apply_overrides() and expand() do.
Study load_study(std::string_view toml, const std::string& source, const StudyOverrides& overrides = {});

/// Names of the studies built into the program.
std::vector<std::string> study_names();

/// Those of them that are shapes of a language model.
std::vector<std::string> model_names();

/// The study in a file (TOML, or a model's config.json, see parse_model_config()), else the built-in one of
/// that name. Throws InputError with the nearest names.
Study find_study(const std::string& name_or_path, const StudyOverrides& overrides = {});

}  // namespace attnbench
