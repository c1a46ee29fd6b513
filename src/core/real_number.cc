#include "core/real_number.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace attnbench {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_with_word(std::string_view text, std::string_view word) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin(), [&](char w, char c) { return w == lower(c); });
}

/// "nan" may be followed by letters, digits and _ in parentheses.
std::size_t length_of_nan(std::string_view text) {
  constexpr std::size_t kWord = 3;
  if (text.size() == kWord || text[kWord] != '(') return kWord;
  const auto close = std::find_if_not(text.begin() + kWord + 1, text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (close == text.end() || *close != ')') return kWord;
  return static_cast<std::size_t>(close - text.begin()) + 1;
}

}  // namespace

std::optional<double> parse_real(std::string_view text) {
  const auto value = take_real(text);
  return text.empty() ? value : std::nullopt;
}

std::size_t length_of_real(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  for (const std::string_view word : {"infinity", "inf"}) {
    if (starts_with_word(text.substr(at), word)) return at + word.size();
  }
  if (starts_with_word(text.substr(at), "nan")) return at + length_of_nan(text.substr(at));
  std::size_t digits = 0;
  const auto skip_digits = [&](std::size_t from) {
    while (from < text.size() && is_digit(text[from])) ++from, ++digits;
    return from;
  };
  at = skip_digits(at);
  if (at < text.size() && text[at] == '.') at = skip_digits(at + 1);
  if (digits == 0) return 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    auto exponent = at + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    if (exponent < text.size() && is_digit(text[exponent])) at = skip_digits(exponent);
  }
  return at;
}

}  // namespace attnbench
