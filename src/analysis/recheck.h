#pragma once

#include <optional>
#include <span>
#include <string>

#include "attnbench/kernel.h"
#include "store/records.h"

namespace attnbench {

/// What the checks at the end of valid processes found of a kernel that passed them.
struct Recheck {
  std::string unranked;  ///< why it is not to be ranked, by the first process that says so
  std::optional<Implementation> implementation;  ///< as KernelAnalysis has it
};
Recheck recheck_of(std::span<const ProcessRecord* const> processes, const std::string& kernel_id);

}  // namespace attnbench
