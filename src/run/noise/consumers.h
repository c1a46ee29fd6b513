#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/system/system_files.h"

namespace attnbench {

/// CPU time of a process since its start.
struct ProcessCpu {
  std::string name;  ///< as the system shows it, at most 15 characters (32 on macOS)
  double cpu_seconds = 0;
};
/// By process id, of every process that this one may see.
std::map<std::int64_t, ProcessCpu> cpu_of_processes(const SystemFiles& files = SystemFiles());

/// Who used the CPUs between two moments `seconds` apart, processes of one name together and this process
/// left out: the three busiest with more than 5 % of one CPU, [{name, processes, cpus}].
nlohmann::json busiest(const std::map<std::int64_t, ProcessCpu>& before,
                       const std::map<std::int64_t, ProcessCpu>& after, double seconds);

/// "cc1plus (8 processes, 1.9 CPUs), python3 (0.2 CPUs)"; empty for none.
std::string consumers_in_words(const nlohmann::json& consumers);

}  // namespace attnbench
