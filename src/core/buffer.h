#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace attnbench {

/// Owned memory, aligned to 64 bytes (a cache line, a 512-bit register). Contents are not initialised.
class Buffer {
 public:
  Buffer() = default;
  /// Throws std::bad_alloc.
  explicit Buffer(std::int64_t bytes);

  void* data() const { return data_.get(); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* pointer) const;
  };
  std::unique_ptr<void, Free> data_;
  std::int64_t bytes_ = 0;
};

}  // namespace attnbench
