#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "run/protocol/spawn.h"

namespace attnbench {

bool make_pipe(std::array<int, 2>& ends) { return pipe2(ends.data(), O_CLOEXEC) == 0; }

// Each descriptor of this process closes itself.
void inherit_only_what_is_asked(short&, posix_spawn_file_actions_t&) {}

std::string signal_abbreviation(int signal) {
  const auto* abbreviation = sigabbrev_np(signal);
  return abbreviation != nullptr ? abbreviation : "?";
}

}  // namespace attnbench
