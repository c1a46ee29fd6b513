#include "run/verification/shared_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace attnbench {
namespace {

/// As Buffer aligns: a cache line, a 512-bit register.
constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

SharedWriter::SharedWriter() : file_(open_nameless_file()) {
  if (file_.fd < 0) fail("shared memory");
}

SharedWriter::~SharedWriter() {
  close(file_.fd);
  if (file_.read_only >= 0) close(file_.read_only);
}

void SharedWriter::put(const void* data, std::size_t bytes) {
  const auto* next = static_cast<const char*>(data);
  for (std::size_t done = 0; done < bytes;) {
    const auto n = pwrite(file_.fd, next + done, bytes - done, static_cast<off_t>(position_ + done));
    if (n < 0 && errno != EINTR) fail("shared memory");
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  skip(bytes);
}

void SharedWriter::skip(std::size_t bytes) { position_ += aligned(bytes); }

void SharedWriter::seal() {
  if (ftruncate(file_.fd, static_cast<off_t>(position_)) != 0) fail("shared memory");
  if (!make_unchangeable(file_)) fail("shared memory");
}

SharedReader::SharedReader(int fd) {
  struct stat status{};
  if (fstat(fd, &status) != 0) fail("shared memory");
  bytes_ = static_cast<std::size_t>(status.st_size);
  auto* const memory = mmap(nullptr, std::max<std::size_t>(bytes_, 1), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) fail("shared memory");
  data_ = static_cast<char*>(memory);
}

SharedReader::~SharedReader() { munmap(data_, std::max<std::size_t>(bytes_, 1)); }

void* SharedReader::take(std::size_t bytes) {
  if (position_ > bytes_ || bytes > bytes_ - position_)
    throw std::out_of_range("shared memory: it ends before what is read");
  auto* const piece = data_ + position_;
  position_ += aligned(bytes);
  return piece;
}

}  // namespace attnbench
