// The same call where the system says that it has it: a build must not fail here.
#include <spawn.h>

int change_folder(posix_spawn_file_actions_t* actions) {
  if (__builtin_available(macOS 26.0, *)) return posix_spawn_file_actions_addchdir(actions, "/");
  return -1;
}
