#include <fcntl.h>
#include <sys/mman.h>

#include "run/verification/nameless_file.h"

namespace attnbench {

NamelessFile open_nameless_file() { return {memfd_create("attnbench", MFD_CLOEXEC | MFD_ALLOW_SEALING), -1}; }

bool make_unchangeable(NamelessFile& file) {
  return fcntl(file.fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

bool keep_from_shrinking(NamelessFile& file) { return fcntl(file.fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0; }

}  // namespace attnbench
