#pragma once

#include <cstdint>

#include "core/buffer.h"

namespace attnbench::cpu {

/// Memory of one execution. Parts are reserved while the execution is planned and allocated together at the
/// end, so that a plan alone tells the exact bytes.
class Workspace {
 public:
  /// Returns the offset of a part that starts on a cache line.
  std::int64_t reserve(std::int64_t bytes) {
    const auto offset = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return offset;
  }
  void allocate() { memory_ = Buffer(bytes_); }
  std::int64_t bytes() const { return bytes_; }

  template <typename T>
  T* at(std::int64_t offset) const {
    return reinterpret_cast<T*>(memory_.as<char>() + offset);
  }

 private:
  std::int64_t bytes_ = 0;
  Buffer memory_;
};

/// A part of which every thread has its own copy.
class ThreadParts {
 public:
  ThreadParts() = default;
  ThreadParts(Workspace& workspace, int threads, std::int64_t bytes)
      : stride_((bytes + 63) / 64 * 64), offset_(workspace.reserve(threads * stride_)) {}
  template <typename T>
  T* at(const Workspace& workspace, int thread) const {
    return workspace.at<T>(offset_ + thread * stride_);
  }

 private:
  std::int64_t stride_ = 0;
  std::int64_t offset_ = 0;
};

}  // namespace attnbench::cpu
