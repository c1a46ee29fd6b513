#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attnbench {

/// Characters of a line that every terminal and message shows whole.
inline constexpr std::size_t kTextWidth = 120;

/// Characters of UTF-8 text, not bytes.
std::size_t width_of(std::string_view text);

/// Breaks each line longer than `width` at spaces; what follows is indented by four more than the line. A
/// word that alone is longer stays whole.
std::string wrapped(std::string_view text, std::size_t width = kTextWidth);

}  // namespace attnbench
