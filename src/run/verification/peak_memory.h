#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace attnbench {

/// By how much `work` raised this process's resident memory at its highest, in bytes (pages it touched and
/// freed included); nullopt where the system does not tell: Linux where the high-water mark cannot be reset,
/// macOS, where it never can be, where an earlier mark was not passed.
std::optional<std::int64_t> peak_growth_bytes(const std::function<void()>& work);

}  // namespace attnbench
