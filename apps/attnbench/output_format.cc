#include "output_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "attnbench/error.h"
#include "io/files.h"
#include "io/standard_streams.h"

namespace attnbench {
namespace {

using Endings = std::vector<std::pair<std::string, std::string>>;

/// Each ending with its format; the first of a format is the one to advise.
const Endings& endings() {
  static const Endings list = {{".csv", "csv"},     {".jsonl", "jsonl"},  {".json", "json"}, {".md", "md"},
                               {".markdown", "md"}, {".tex", "tex"},      {".html", "html"}, {".htm", "html"},
                               {".db", "sqlite"},   {".sqlite", "sqlite"}};
  return list;
}

/// The format that the name's ending says; empty where it says none.
std::string format_of_ending(const std::string& file) {
  const auto ending = std::filesystem::path(file).extension().string();
  for (const auto& [known, format] : endings()) {
    if (ending == known) return format;
  }
  return {};
}

}  // namespace

std::string output_format(const std::string& format, const std::string& file,
                          const std::vector<std::string>& known, const std::string& fallback) {
  const auto is_known = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (!format.empty() && !is_known(format)) {
    throw InputError("format", format,
                     fmt::format("is not one of {}{}", fmt::join(known, ", "), suggestion(format, known)));
  }
  const auto said = file.empty() ? "" : format_of_ending(file);
  if (!format.empty()) {
    if (!said.empty() && said != format)
      throw InputError("out", file, fmt::format("ends as {} does, and --format says {}", said, format));
    return format;
  }
  if (is_known(said)) return said;
  if (file.empty() || is_standard_stream(file)) return fallback;
  const auto kind = kind_of_file(file, "out");
  if (said.empty() && kind != FileKind::none && kind != FileKind::file) return fallback;
  std::vector<std::string> possible;
  for (const auto& [ending, of] : endings()) {
    if (is_known(of)) possible.push_back(ending);
  }
  throw InputError(
      "out", file,
      fmt::format("does not end as a format does that can be written here: {}", fmt::join(possible, ", ")));
}

void require_store_name(const std::string& file) {
  const auto said = format_of_ending(file);
  if (said.empty() || said == "sqlite") return;
  throw InputError("out", file,
                   fmt::format("ends as {} does: what is written is a store, which ends in .db", said));
}

}  // namespace attnbench
