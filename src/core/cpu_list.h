#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// "0-3,8" -> 0, 1, 2, 3, 8; nothing for malformed text.
std::vector<int> parse_cpu_list(std::string_view text);
/// "0-3,8" from 0, 1, 2, 3, 8.
std::string format_cpu_list(const std::vector<int>& cpus);

}  // namespace attnbench
