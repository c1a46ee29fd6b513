#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/system/system_files.h"

namespace attnbench::testing_support {

/// A system of the test's own: what it would tell, as files below a folder.
class FakeSystem {
 public:
  FakeSystem()
      : root_(std::filesystem::temp_directory_path() / ("attnbench-test-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~FakeSystem() { std::filesystem::remove_all(root_); }
  FakeSystem(const FakeSystem&) = delete;
  FakeSystem& operator=(const FakeSystem&) = delete;

  void write(const std::string& path, const std::string& text) const {
    const auto file = root_ / std::filesystem::path(path).relative_path();
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  SystemFiles files() const { return SystemFiles(root_); }

 private:
  std::filesystem::path root_;
};

}  // namespace attnbench::testing_support
