#include "store/export.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/json.h"
#include "store/csv.h"
#include "store/environment_document.h"
#include "store/machine_names.h"
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
  return json_text(environment_document(runs), 1) + '\n';
}

std::string environment_file(const std::string& samples_file) {
  return std::filesystem::path(samples_file).replace_extension(".env.json").string();
}

}  // namespace attnbench
