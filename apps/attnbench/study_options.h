#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "plan/overrides.h"

namespace attnbench {

/// Adds the options that change a study (--seqlen, --mechanism, ...) to a subcommand. They are parsed into
/// the returned overrides before the subcommand's callback runs; bad values throw InputError.
std::shared_ptr<const StudyOverrides> add_study_options(CLI::App& command);

/// Throws InputError with the nearest names if a baseline, or any part of a kernel filter, is not registered
/// (plugins must be loaded before).
void check_kernel_names(const Study& study);

}  // namespace attnbench
