#pragma once

#include <optional>
#include <string_view>

namespace attnbench {

/// The decimal number (or inf, nan) at the beginning of `text`, which it then no longer holds, whatever the
/// locale; nothing, and `text` as it was, where none begins there or a double cannot hold it.
std::optional<double> take_real(std::string_view& text);
/// The whole of `text` as such a number.
std::optional<double> parse_real(std::string_view text);

/// How many characters of `text`, from the first, std::from_chars would read as a number.
std::size_t length_of_real(std::string_view text);

}  // namespace attnbench
