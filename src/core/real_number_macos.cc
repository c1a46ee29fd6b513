#include <xlocale.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string>

#include "core/real_number.h"

namespace attnbench {

// std::from_chars reads no floating point before macOS 26.
std::optional<double> take_real(std::string_view& text) {
  const auto length = length_of_real(text);
  if (length == 0) return std::nullopt;
  const std::string digits(text.substr(0, length));
  errno = 0;
  const double value = strtod_l(digits.c_str(), nullptr, LC_C_LOCALE);
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

}  // namespace attnbench
