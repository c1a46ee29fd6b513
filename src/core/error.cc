#include "attnbench/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace attnbench {
namespace {

/// Where a problem quotes what it found, that may be of any length too.
std::string_view start_of(std::string_view problem) { return problem.substr(0, 2000); }

/// A value in quotes as a message shows it: on one line, without what would steer a terminal, of a long one
/// the start.
std::string shown(std::string_view value) {
  constexpr std::size_t kWhole = 500, kStart = 80;
  const bool whole = value.size() <= kWhole;
  auto end = whole ? value.size() : kStart;
  const auto continues_a_character = [&] { return (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80; };
  while (!whole && end > 0 && continues_a_character()) --end;
  std::string text;
  for (const char c : value.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return whole ? fmt::format("'{}'", text) : fmt::format("'{}...' ({} bytes)", text, value.size());
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

}  // namespace

InputError::InputError(std::string_view field, std::string_view value, std::string_view problem)
    : std::runtime_error(fmt::format("{}: {} {}", field, shown(value), start_of(problem))) {}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongestWord = 200;
  if (word.size() > kLongestWord) return {};
  const auto asked = lower_case(word);
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const auto& candidate : candidates) {
    const auto known = lower_case(candidate);
    const auto distance = edit_distance(asked, known);
    const bool same_start = !asked.empty() && known.starts_with(asked);
    if (same_start || distance <= std::max<std::size_t>(2, known.size() / 3)) {
      near.emplace_back(distance, candidate);
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (near.empty()) return {};
  std::string text = fmt::format(" (did you mean '{}'", near[0].second);
  const bool same_but_for_case = near[0].first == 0;
  if (near.size() > 1 && !same_but_for_case) text += fmt::format(" or '{}'", near[1].second);
  return text + "?)";
}

}  // namespace attnbench
