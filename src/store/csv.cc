#include "store/csv.h"

#include <fmt/format.h>

#include "attnbench/error.h"

namespace attnbench {
namespace {

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : text_(text), file_(file) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  bool at_end() const { return text_.empty(); }

  CsvRow row() {
    CsvRow row{line_, {}};
    do row.fields.push_back(text_.starts_with('"') ? quoted() : plain());
    while (accept(","));
    if (!accept("\r\n") && !accept("\n") && !at_end()) fail("has text after a closing quote");
    return row;
  }

 private:
  std::string plain() {
    const auto field = text_.substr(0, text_.find_first_of(",\r\n"));
    text_.remove_prefix(field.size());
    return std::string(field);
  }

  std::string quoted() {
    std::string field;
    text_.remove_prefix(1);
    while (true) {
      const auto quote = text_.find('"');
      if (quote == std::string_view::npos) fail("has a quote that is never closed");
      const auto part = text_.substr(0, quote);
      for (const char c : part) line_ += c == '\n';
      field += part;
      text_.remove_prefix(quote + 1);
      if (!text_.starts_with('"')) return field;
      text_.remove_prefix(1);
      field += '"';
    }
  }

  bool accept(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    line_ += expected.back() == '\n';
    return true;
  }

  [[noreturn]] void fail(std::string_view problem) const {
    throw InputError(fmt::format("{}: line {} {}", file_, line_, problem));
  }

  std::string_view text_;
  const std::string& file_;
  int line_ = 1;
};

}  // namespace

std::vector<CsvRow> read_csv(std::string_view text, const std::string& file) {
  std::vector<CsvRow> rows;
  Reader reader(text, file);
  while (!reader.at_end()) {
    auto row = reader.row();
    if (row.fields.size() == 1 && row.fields[0].empty()) continue;
    if (!rows.empty() && row.fields.size() != rows[0].fields.size()) {
      throw InputError(fmt::format("{}: line {} has {} fields, the header has {}", file, row.line,
                                   row.fields.size(), rows[0].fields.size()));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

}  // namespace attnbench
