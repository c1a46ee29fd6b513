#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attnbench/error.h"

namespace attnbench {

/// One table of (value, text) serves both directions of an enumeration's names.
template <typename Enum, std::size_t N>
using NameTable = std::array<std::pair<Enum, std::string_view>, N>;

template <typename Enum, std::size_t N>
std::string_view name_in(const NameTable<Enum, N>& table, Enum value) {
  for (const auto& [candidate, text] : table) {
    if (candidate == value) return text;
  }
  return "?";
}

/// Throws InputError(field, text, ...) with the nearest names.
template <typename Enum, std::size_t N>
Enum parse_in(const NameTable<Enum, N>& table, std::string_view field, std::string_view text) {
  std::vector<std::string> names;
  for (const auto& [value, candidate] : table) {
    if (candidate == text) return value;
    names.emplace_back(candidate);
  }
  throw InputError(field, text,
                   fmt::format("is not one of {}{}", fmt::join(names, ", "), suggestion(text, names)));
}

}  // namespace attnbench
