#include "core/system/system_files.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

namespace attnbench {

std::filesystem::path SystemFiles::resolve(const std::string& path) const {
  return root_ / std::filesystem::path(path).relative_path();
}

std::optional<std::string> SystemFiles::read(const std::string& path) const {
  auto text = root_ == "/" ? read_from_system(path) : read_file(resolve(path));
  if (!text) return std::nullopt;
  if (!text->empty() && text->back() == '\n') text->pop_back();
  if (text->empty()) return std::nullopt;
  return text;
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> SystemFiles::entries(const std::string& directory) const {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(resolve(directory), error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace attnbench
