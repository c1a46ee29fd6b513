#pragma once

#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// What people and files call the machine of a run: environment["machine"] where it is given; else the CPU
/// model (environment["cpu"]["model"]) without trade marks, on x86 its widest instruction set, and the number
/// of CPUs that the run might use: "Intel Xeon (AMX), 14 CPUs". Where all was computed on one other device,
/// its model (environment["devices"]) and the CPU's: "NVIDIA H200 beside Intel Xeon".
std::string machine_name(const RunContents& contents);

/// A machine's name and its stable key (RunRecord::machine_key).
struct NamedMachine {
  std::string name, key;
};

/// The names, each once: two machines of one name get the first digits of their keys, " [a871]"; further runs
/// on one machine ", run 2", ", run 3".., in the order given.
std::vector<std::string> told_apart(const std::vector<NamedMachine>& machines);

/// The name of each run's machine among these runs, each once, so that a row's machine, cell and process name
/// one process.
std::vector<std::string> machine_names(std::span<const RunContents> runs);

}  // namespace attnbench
