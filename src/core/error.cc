#include "attnbench/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace attnbench {

InputError::InputError(std::string_view field, std::string_view value, std::string_view problem)
    : std::runtime_error(fmt::format("{}: '{}' {}", field, value, problem)) {}

namespace {

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

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const auto& candidate : candidates) {
    const auto distance = edit_distance(word, candidate);
    const bool same_start = !word.empty() && candidate.starts_with(word);
    if (same_start || distance <= std::max<std::size_t>(2, candidate.size() / 3)) {
      near.emplace_back(distance, candidate);
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (near.empty()) return {};
  std::string text = fmt::format(" (did you mean '{}'", near[0].second);
  if (near.size() > 1) text += fmt::format(" or '{}'", near[1].second);
  return text + "?)";
}

}  // namespace attnbench
