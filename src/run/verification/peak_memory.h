#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace attnbench {

/// By how much `work` raised this process's resident memory at its highest, in bytes (pages it touched and
/// freed included); nullopt where the kernel does not allow the high-water mark to be reset.
std::optional<std::int64_t> peak_growth_bytes(const std::function<void()>& work);

}  // namespace attnbench
