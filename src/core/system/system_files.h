#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace attnbench {

/// What is shown and stored where the system does not tell.
inline constexpr const char* kNotReadable = "not readable";

/// What the system tells of itself, by name: the files of /proc and /sys on Linux; on macOS, where these are
/// calls, their answers as text (system_values_macos.cc has the names). Containers, sandboxes and the other
/// system lack what is asked for, so absence is an answer, not an error.
class SystemFiles {
 public:
  /// Tests pass another root.
  explicit SystemFiles(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// The file without its last newline; empty optional if absent, unreadable or empty.
  std::optional<std::string> read(const std::string& path) const;
  /// Names in a directory, sorted; empty if it is absent.
  std::vector<std::string> entries(const std::string& directory) const;

 private:
  std::filesystem::path resolve(const std::string& path) const;
  std::filesystem::path root_;
};

/// The file, or what the system says when asked by that name. Empty optional if there is no such thing.
std::optional<std::string> read_from_system(const std::string& path);
/// The file as it is.
std::optional<std::string> read_file(const std::filesystem::path& path);

}  // namespace attnbench
