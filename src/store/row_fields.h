#pragma once

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "attnbench/error.h"
#include "core/real_number.h"
#include "io/json.h"
#include "store/csv.h"

namespace attnbench {

/// Fields of one row by the header's names; errors name file, line and field.
class RowFields {
 public:
  RowFields(const std::string& file, const CsvRow& header, const CsvRow& row)
      : file_(file), header_(header), row_(row) {}

  const std::string& text(std::string_view field) const {
    for (std::size_t i = 0; i < header_.fields.size(); ++i) {
      if (header_.fields[i] == field) return row_.fields[i];
    }
    throw InputError(fmt::format("{}: the header lacks '{}'", file_, field));
  }

  /// A number from its first to its last character.
  template <typename Number>
  Number number(std::string_view field) const {
    const auto& digits = text(field);
    if constexpr (std::is_floating_point_v<Number>) {
      static_assert(std::is_same_v<Number, double>);
      const auto value = parse_real(digits);
      if (!value) fail(field, "is not a number");
      return *value;
    } else {
      Number value{};
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
        fail(field, "is not a whole number in range");
      return value;
    }
  }

  /// The field as what it is to be: a number, true or false, or text, whose bytes that are no UTF-8 are
  /// replaced.
  template <typename T>
  void read(std::string_view field, T& value) const {
    if constexpr (std::is_same_v<T, bool>) {
      value = text(field) == "true";
      if (!value && text(field) != "false") fail(field, "is neither true nor false");
    } else if constexpr (std::is_arithmetic_v<T>) {
      value = number<T>(field);
    } else {
      value = to_utf8(text(field));
    }
  }

  /// Runs `read` and names file and line in its errors.
  template <typename Read>
  void in_row(Read read) const {
    try {
      read();
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: line {}, {}", file_, row_.line, error.what()));
    }
  }

  [[noreturn]] void fail(std::string_view field, std::string_view problem) const {
    throw InputError(fmt::format("{}: line {}, {}", file_, row_.line, field), text(field), problem);
  }

 private:
  const std::string& file_;
  const CsvRow& header_;
  const CsvRow& row_;
};

}  // namespace attnbench
