#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// A line of a CSV file as its fields (RFC 4180: quoted fields may hold commas, doubled quotes, line ends).
struct CsvRow {
  int line = 0;  ///< where it starts, from 1
  std::vector<std::string> fields;
};

/// All rows, the header first. Accepts CRLF and a byte order mark; skips empty lines. Throws InputError
/// naming `file` and the line of an unfinished quote, text after a closing quote, or a wrong number of
/// fields.
std::vector<CsvRow> read_csv(std::string_view text, const std::string& file);

/// Quotes the field where it needs it.
std::string csv_field(std::string_view text);

}  // namespace attnbench
