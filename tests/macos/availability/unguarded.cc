// Calls what came with macOS 26: a build for an older one must fail here.
#include <spawn.h>

int change_folder(posix_spawn_file_actions_t* actions) {
  return posix_spawn_file_actions_addchdir(actions, "/");
}
