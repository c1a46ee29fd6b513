#pragma once

#include <string>

#include "core/ceilings.h"

namespace attnbench {

/// Ceilings that `attnbench env --json` measured before, and where and when it did.
struct EarlierCeilings {
  std::string file;
  std::string machine_key, allowed_cpus;
  std::string measured_utc;
  Ceilings ceilings;
};

/// From the file that holds what `attnbench env --json` printed. Throws InputError naming the file and what
/// it lacks.
EarlierCeilings read_earlier_ceilings(const std::string& file);

/// Throws InputError where they are of another machine or of other CPUs than the workers'.
void require_same_machine(const EarlierCeilings& earlier, const std::string& machine_key,
                          const std::string& allowed_cpus);

}  // namespace attnbench
