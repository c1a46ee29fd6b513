#include <spawn.h>
#include <unistd.h>

#include <string>

#include "run/conductor/keep_awake.h"

extern char** environ;

namespace attnbench {

// caffeinate(8) holds idle sleep (-i) and that of the disk (-m) off until the process it waits for (-w) ends.
// A closed lid is another matter.
void keep_awake() {
  std::string file = "/usr/bin/caffeinate";
  std::string flags = "-im";
  std::string wait = "-w";
  std::string process = std::to_string(getpid());
  char* words[] = {file.data(), flags.data(), wait.data(), process.data(), nullptr};
  posix_spawnattr_t attributes{};
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_CLOEXEC_DEFAULT);
  pid_t pid = -1;
  posix_spawn(&pid, file.c_str(), nullptr, &attributes, words, environ);
  posix_spawnattr_destroy(&attributes);
}

}  // namespace attnbench
