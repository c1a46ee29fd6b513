#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/system/system_files.h"

namespace attnbench {

/// From /proc/self/cgroup: the folders of the control groups whose `controller` ("cpu", "memory") acts on
/// this process, its own and all above it, under the usual mount points of versions 1 and 2.
std::vector<std::string> control_group_folders(std::string_view text, std::string_view controller);

/// Bytes that this process's control groups still let it have: the smallest difference between a group's
/// limit (version 2 memory.max and memory.high, version 1 memory.limit_in_bytes) and what it uses, its cached
/// files, which give way, not counted. Never negative; nothing where no group has a limit.
std::optional<std::int64_t> memory_left_in_groups(const SystemFiles& files);

/// Processes that the system ended for want of memory, in this process's control groups or, where those do
/// not tell, anywhere; nothing where it does not tell at all.
std::optional<std::int64_t> oom_kills(const SystemFiles& files);

}  // namespace attnbench
