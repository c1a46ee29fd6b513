#pragma once

#include <spawn.h>

#include <array>
#include <string>

/// What starting a program needs of each system.
namespace attnbench {

/// Both ends of a pipe, the one to read first, that no program started meanwhile inherits unasked.
/// False, with errno, where it cannot be had.
bool make_pipe(std::array<int, 2>& ends);

/// Adds to the flags of posix_spawn() and to its actions, after all that give descriptors their place, what
/// keeps other descriptors of this process from the program, but standard error.
void inherit_only_what_is_asked(short& flags, posix_spawn_file_actions_t& actions);

/// "SEGV"; "?" for one without a name.
std::string signal_abbreviation(int signal);

}  // namespace attnbench
