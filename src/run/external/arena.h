#pragma once

#include <cstddef>
#include <map>

namespace attnbench {

/// Memory that this process and a program started by it share: one descriptor, which the program inherits,
/// and regions in it that come and go. The program can change what is in it, never its size downwards. Leaves
/// no name behind.
class Arena {
 public:
  /// Throws std::system_error, as allocate() does.
  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  struct Region {
    std::size_t offset = 0;  ///< a multiple of the page size
    std::size_t bytes = 0;
    void* data = nullptr;  ///< here
  };
  Region allocate(std::size_t bytes);
  void release(const Region& region);

  int descriptor() const { return fd_; }

 private:
  int fd_ = -1;
  std::size_t size_ = 0;
  std::map<std::size_t, std::size_t> used_;  ///< bytes by offset
};

}  // namespace attnbench
