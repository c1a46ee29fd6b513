#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "run/verification/nameless_file.h"

namespace attnbench {

// Not shm_open(): its objects can be mapped but not written to, and have one size for good.
NamelessFile open_nameless_file() {
  std::error_code error;
  auto name = (std::filesystem::temp_directory_path(error) / "attnbench-XXXXXX").string();
  NamelessFile file;
  file.fd = mkostemp(name.data(), O_CLOEXEC);
  if (file.fd < 0) return file;
  file.read_only = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  unlink(name.c_str());
  if (file.read_only < 0) close(std::exchange(file.fd, -1));
  return file;
}

bool make_unchangeable(NamelessFile& file) {
  if (file.read_only < 0) return true;
  if (dup2(file.read_only, file.fd) < 0) return false;
  close(std::exchange(file.read_only, -1));
  return fcntl(file.fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool keep_from_shrinking(NamelessFile& file) {
  if (file.read_only >= 0) close(std::exchange(file.read_only, -1));
  return true;
}

}  // namespace attnbench
