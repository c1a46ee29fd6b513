#include "run/environment/control_groups.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/system/parse.h"

namespace attnbench {
namespace {

bool has_word(std::string_view list, std::string_view word) {
  return fmt::format(",{},", list).find(fmt::format(",{},", word)) != std::string::npos;
}

/// Of "NAME VALUE" lines.
std::optional<std::int64_t> value_in(std::string_view text, std::string_view name) {
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[0] == name) return parse_integer(words[1]);
  }
  return std::nullopt;
}

std::optional<std::int64_t> smaller(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// One group's memory, by the names of its version's files.
class MemoryGroup {
 public:
  MemoryGroup(const SystemFiles& files, const std::string& folder) : files_(files), folder_(folder) {}

  std::optional<std::int64_t> left() const {
    // "max" is no number. Version 1 writes the largest multiple of a page, which no machine has.
    auto limit = smaller(number("memory.max"), number("memory.high"));
    auto used = number("memory.current");
    const bool first_version = !used;
    const auto stat = files_.read(folder_ + "/memory.stat").value_or("");
    if (first_version) {
      limit = smaller(number("memory.limit_in_bytes"), value_in(stat, "hierarchical_memory_limit"));
      used = number("memory.usage_in_bytes");
    }
    constexpr std::int64_t kNoLimit = std::int64_t{1} << 60;
    if (!limit || *limit >= kNoLimit) return std::nullopt;
    const std::string prefix = first_version ? "total_" : "";
    const auto cached = value_in(stat, prefix + "inactive_file").value_or(0) +
                        value_in(stat, prefix + "active_file").value_or(0);
    return std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, used.value_or(0) - cached));
  }

  std::optional<std::int64_t> oom_kills() const {
    for (const auto* name : {"memory.events", "memory.oom_control"}) {
      if (const auto kills =
              value_in(files_.read(fmt::format("{}/{}", folder_, name)).value_or(""), "oom_kill"))
        return kills;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::int64_t> number(const char* name) const {
    return parse_integer(files_.read(fmt::format("{}/{}", folder_, name)).value_or(""));
  }

  const SystemFiles& files_;
  std::string folder_;
};

std::vector<MemoryGroup> memory_groups(const SystemFiles& files) {
  std::vector<MemoryGroup> groups;
  for (const auto& folder : control_group_folders(files.read("/proc/self/cgroup").value_or(""), "memory"))
    groups.emplace_back(files, folder);
  return groups;
}

}  // namespace

std::vector<std::string> control_group_folders(std::string_view text, std::string_view controller) {
  std::vector<std::string> folders;
  for (const auto line : split_lines(text)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    std::vector<std::string> mounts;
    if (controllers.empty()) mounts = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    if (has_word(controllers, controller)) mounts = {fmt::format("/sys/fs/cgroup/{}", controller)};
    if (has_word(controllers, controller) && controller == "cpu")
      mounts.emplace_back("/sys/fs/cgroup/cpu,cpuacct");
    for (const auto& mount : mounts) {
      for (auto group = line.substr(second + 1);; group = group.substr(0, group.rfind('/'))) {
        if (group == "/") group = {};
        folders.push_back(fmt::format("{}{}", mount, group));
        if (group.find('/') == std::string_view::npos) break;
      }
    }
  }
  return folders;
}

std::optional<std::int64_t> memory_left_in_groups(const SystemFiles& files) {
  std::optional<std::int64_t> left;
  for (const auto& group : memory_groups(files)) left = smaller(left, group.left());
  return left;
}

std::optional<std::int64_t> oom_kills(const SystemFiles& files) {
  std::optional<std::int64_t> kills;
  for (const auto& group : memory_groups(files)) {
    if (const auto own = group.oom_kills()) kills = kills.value_or(0) + *own;
  }
  if (kills) return kills;
  return value_in(files.read("/proc/vmstat").value_or(""), "oom_kill");
}

}  // namespace attnbench
