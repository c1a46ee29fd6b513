#include "run/environment/private_names.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace attnbench {
namespace {

constexpr std::string_view kLeftOut = "(left out)";
/// Stands for it while paths, which a name may be a part of, are looked for.
constexpr char kMark = '\1';
constexpr std::size_t kShortest = 4;
constexpr std::array<std::string_view, 5> kCommon{"root", "/root", "runner", "localhost", "unknown"};

/// Before an absolute path there is nothing that could be a part of a word: "GFLOP/s" has none.
bool may_precede_path(char c) {
  return std::string_view(" \t\n\"'`=,;:([{<").find(c) != std::string_view::npos;
}
bool ends_path(char c) { return std::string_view(" \t\n\"'`,;:()[]{}<>").find(c) != std::string_view::npos; }

std::string without_folders(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '/' || (i > 0 && !may_precede_path(text[i - 1]))) {
      out += text[i++];
      continue;
    }
    const auto end = static_cast<std::size_t>(std::distance(
        text.begin(), std::find_if(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), ends_path)));
    const auto path = text.substr(i, end - i);
    out += path == "/" ? path : path.substr(path.find_last_of('/') + 1);
    i = end;
  }
  return out;
}

}  // namespace

std::vector<std::string> names_of_host_and_user() {
  std::vector<std::string> found;
  const auto add = [&](std::string_view name) {
    const bool common = std::find(kCommon.begin(), kCommon.end(), name) != kCommon.end();
    if (name.size() >= kShortest && !common) found.emplace_back(name);
  };
  for (const auto* variable : {"HOME", "USER", "LOGNAME", "HOSTNAME"}) {
    if (const auto* value = std::getenv(variable)) add(value);
  }
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) {
    const std::string_view name(host.data());
    add(name);
    add(name.substr(0, name.find('.')));
  }
  if (const auto* user = getpwuid(getuid())) {
    add(user->pw_name);
    add(user->pw_dir);
  }
  // The longest first: one may be a part of another.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return found;
}

std::string without_names(std::string text, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (name.empty()) continue;
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
      text.replace(at, name.size(), 1, kMark);
  }
  text = without_folders(text);
  for (auto at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at + kLeftOut.size()))
    text.replace(at, 1, kLeftOut);
  return text;
}

}  // namespace attnbench
