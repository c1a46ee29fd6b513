#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace attnbench {

/// What is shown and stored where the system does not tell.
inline constexpr const char* kNotReadable = "not readable";

/// Reads /proc and /sys. Containers and sandboxes lack parts of both, so absence is an answer, not an error.
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

}  // namespace attnbench
