#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)

namespace attnbench {

/// Bad input from a user or caller. The message names the field and the value; commands exit with 2.
class InputError : public std::runtime_error {
 public:
  InputError(std::string_view field, std::string_view value, std::string_view problem);
  /// For input that is not one field: a corrupt file, a conflict between options.
  explicit InputError(const std::string& message) : std::runtime_error(message) {}
};

/// The candidates nearest to `word` by edit distance, best first, as " (did you mean 'a' or 'b'?)";
/// empty when nothing is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace attnbench

#pragma GCC visibility pop
