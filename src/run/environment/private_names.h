#pragma once

#include <string>
#include <vector>

namespace attnbench {

/// This host's name, and name and home directory of this user, the longest first. Without what is as short
/// (below four characters) or as common ("root", "runner") as to be found in any text.
std::vector<std::string> names_of_host_and_user();

/// The text with "(left out)" for each of the names, and of each absolute path the last part alone.
std::string without_names(std::string text, const std::vector<std::string>& names);

}  // namespace attnbench
