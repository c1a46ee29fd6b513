#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace attnbench {

/// Moves the heap and the stack of a fresh process by amounts drawn from a seed, so that accidents of address
/// (cache sets, 4 KiB aliasing) vary between processes instead of biasing all of them alike.
/// Keep it alive, and create it before what is to be moved.
class LayoutNoise {
 public:
  explicit LayoutNoise(std::uint64_t seed);
  /// Calls `body` with the stack moved down by stack_bytes().
  void run(const std::function<void()>& body) const;

  std::int64_t heap_bytes() const;
  std::int64_t stack_bytes() const { return stack_bytes_; }

 private:
  std::vector<std::vector<char>> kept_;
  std::int64_t stack_bytes_ = 0;
};

}  // namespace attnbench
