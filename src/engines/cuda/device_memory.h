#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace attnbench::cuda {

/// Memory of the current device.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  /// Throws std::runtime_error where there is not so much.
  explicit DeviceMemory(std::int64_t bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// Parts of one allocation, planned first and allocated last.
class Workspace {
 public:
  /// Returns where the part begins.
  std::int64_t reserve(std::int64_t bytes) {
    constexpr std::int64_t kAlignment = 256;
    return std::exchange(bytes_, bytes_ + (bytes + kAlignment - 1) / kAlignment * kAlignment);
  }
  void allocate() {
    if (bytes_ > 0) memory_ = DeviceMemory(bytes_);
  }
  std::int64_t bytes() const { return bytes_; }
  template <typename T>
  T* at(std::int64_t begin) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(memory_.data()) + begin);
  }

 private:
  std::int64_t bytes_ = 0;
  DeviceMemory memory_;
};

}  // namespace attnbench::cuda
