#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "plan/overrides.h"
#include "plan/study.h"

namespace attnbench {

/// An option that changes a study, as it was given.
struct StudyOption {
  std::string words;  ///< "--seqlen 128,256"
  std::function<void(StudyOverrides&)> apply;
};
using StudyOptions = std::vector<StudyOption>;

/// Adds the options that change a study (--seqlen, --mechanism, ...) to a subcommand. Those given are in the
/// returned list before the subcommand's callback runs; bad values throw InputError naming option and value.
std::shared_ptr<const StudyOptions> add_study_options(Command& command);

/// The study, changed. Throws InputError, also where a baseline or a kernel filter names nothing registered
/// (plugins must be loaded before). The message names the study's file where that is wrong by itself, else
/// the fewest options that together make it wrong.
Study find_changed_study(const std::string& name_or_path, const StudyOptions& options);

}  // namespace attnbench
