#include "run/external/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "run/verification/address_space.h"
#include "run/verification/nameless_file.h"

namespace attnbench {
namespace {

[[noreturn]] void arena_failed() {
  throw std::system_error(errno, std::generic_category(), "memory shared with an engine");
}

}  // namespace

Arena::Arena() {
  auto file = open_nameless_file();
  if (file.fd < 0 || !keep_from_shrinking(file)) arena_failed();
  fd_ = file.fd;
}

Arena::~Arena() { close(fd_); }

Arena::Region Arena::allocate(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bytes = (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
  std::size_t offset = 0;
  for (const auto& [start, length] : used_) {
    if (start - offset >= bytes) break;
    offset = start + length;
  }
  if (offset + bytes > size_) {
    if (ftruncate(fd_, static_cast<off_t>(offset + bytes)) != 0) arena_failed();
    size_ = offset + bytes;
  }
  move_address_space_limit(static_cast<std::int64_t>(bytes));
  auto* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(offset));
  if (data == MAP_FAILED) {
    move_address_space_limit(-static_cast<std::int64_t>(bytes));
    arena_failed();
  }
  used_[offset] = bytes;
  return {offset, bytes, data};
}

void Arena::release(const Region& region) {
  munmap(region.data, region.bytes);
  move_address_space_limit(-static_cast<std::int64_t>(region.bytes));
  used_.erase(region.offset);
}

}  // namespace attnbench
