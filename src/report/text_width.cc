#include "report/text_width.h"

#include <algorithm>

namespace attnbench {
namespace {

std::string wrapped_line(std::string_view line, std::size_t width) {
  const auto indent = std::min(line.find_first_not_of(' '), line.size());
  const std::string next_indent(indent + 4, ' ');
  std::string text;
  std::string current(line.substr(0, indent));
  bool has_word = false;
  for (std::size_t at = indent; at < line.size();) {
    const auto word_at = std::min(line.find_first_not_of(' ', at), line.size());
    const auto end = std::min(line.find(' ', word_at), line.size());
    const auto with_gap = line.substr(at, end - at);
    if (has_word && width_of(current) + width_of(with_gap) > width) {
      text += current + '\n';
      current = next_indent + std::string(line.substr(word_at, end - word_at));
    } else {
      current += with_gap;
    }
    has_word = true;
    at = end;
  }
  return text + current;
}

}  // namespace

std::size_t width_of(std::string_view text) {
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string wrapped(std::string_view text, std::size_t width) {
  std::string result;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    result += width_of(line) > width ? wrapped_line(line, width) : std::string(line);
    if (end < text.size()) result += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

}  // namespace attnbench
