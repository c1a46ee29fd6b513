#pragma once

#include <string>
#include <vector>

#include "run/protocol/process.h"

namespace attnbench {

/// How an engine's program is started: by way of this program (become_peer()), since only a program itself
/// can ask to be ended with the one that started it.
Program peer_program(const std::string& file, const std::vector<int>& cpus);

/// This process becomes the engine's program, on these CPUs. It is ended when the thread that started it is,
/// whatever either is doing then. Throws InputError where the file cannot be run.
[[noreturn]] void become_peer(const std::string& file, const std::vector<int>& cpus);

}  // namespace attnbench
