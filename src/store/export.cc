#include "store/export.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "attnbench/error.h"
#include "store/csv.h"
#include "store/environment_document.h"
#include "store/sample_columns.h"

namespace attnbench {
namespace {

template <typename Visit>
void for_each_row(const std::vector<RunContents>& runs, Visit visit) {
  const auto names = machine_names(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& cell : runs[i].cells) {
      for (const auto& process : runs[i].processes) {
        if (process.cell_id != cell.cell_id) continue;
        for (const auto& sample : process.samples)
          visit(SampleRow{names[i], cell, find_kernel(cell, sample.kernel_id), process, sample});
      }
    }
  }
}

bool is_sqlite_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  char start[16] = {};
  return in.read(start, sizeof start) && std::memcmp(start, "SQLite format 3", sizeof start) == 0;
}

}  // namespace

std::vector<RunContents> all_contents(const Store& store) {
  std::vector<RunContents> runs;
  for (const auto& stored : store.runs()) runs.push_back(store.contents(stored.id));
  return runs;
}

std::string samples_csv(const std::vector<RunContents>& runs) {
  std::string text;
  for (const auto& column : sample_columns())
    text += fmt::format("{}{}", text.empty() ? "" : ",", column.name);
  text += '\n';
  for_each_row(runs, [&](const SampleRow& row) {
    const char* separator = "";
    for (const auto& column : sample_columns()) {
      text += separator + csv_field(csv_text(column.value(row)));
      separator = ",";
    }
    text += '\n';
  });
  return text;
}

std::string samples_jsonl(const std::vector<RunContents>& runs) {
  std::string text;
  for_each_row(runs, [&](const SampleRow& row) {
    nlohmann::ordered_json line;
    for (const auto& column : sample_columns()) line[column.name] = column.value(row);
    text += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
  });
  return text;
}

std::string environment_text(const std::vector<RunContents>& runs) {
  return environment_document(runs).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string environment_file(const std::string& samples_file) {
  return std::filesystem::path(samples_file).replace_extension(".env.json").string();
}

void write_text_file(const std::string& file, const std::string& text) {
  if (is_sqlite_file(file)) throw InputError("out", file, "is an SQLite file; text would overwrite it");
  if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file))
    throw InputError("out", file, "is not a regular file");
  const auto part = file + ".part";
  std::ofstream out(part, std::ios::binary);
  if (!out) throw InputError("out", file, fmt::format("cannot be written: {}", std::strerror(errno)));
  out << text;
  out.close();
  std::error_code error;
  if (!out) {
    std::filesystem::remove(part, error);
    throw StoreError(fmt::format("{}: writing failed (is the disk full?); nothing was changed", file));
  }
  std::filesystem::rename(part, file, error);
  if (error) {
    const auto reason = error.message();
    std::filesystem::remove(part, error);
    throw InputError("out", file, fmt::format("cannot be written: {}", reason));
  }
}

}  // namespace attnbench
