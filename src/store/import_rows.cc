#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "attnbench/error.h"
#include "io/json.h"
#include "store/check_records.h"
#include "store/import.h"
#include "store/row_fields.h"
#include "store/sample_columns.h"

namespace attnbench {
namespace {

/// A sample and the line it came from.
struct ReadSample {
  SampleRecord sample;
  int line = 0;
};
using Slot = std::tuple<int, int, std::string, std::string>;
Slot slot(const SampleRecord& s) { return {s.block, s.position, s.role, s.kernel_id}; }

/// Where in the document a row belongs, by (machine, cell_id, process).
struct Place {
  std::size_t run;
  const CellRecord* cell;
  ProcessRecord* process;
  std::vector<ReadSample> samples;
};
using Places = std::map<std::tuple<std::string, std::string, int>, Place>;

Places places_of(EnvironmentDocument& document, const std::string& file) {
  Places places;
  for (std::size_t r = 0; r < document.runs.size(); ++r) {
    auto& run = document.runs[r];
    for (auto& process : run.processes) {
      const auto cell = std::find_if(run.cells.begin(), run.cells.end(),
                                     [&](const auto& c) { return c.cell_id == process.cell_id; });
      const bool is_new = places
                              .try_emplace({document.machines[r], process.cell_id, process.process},
                                           Place{r, &*cell, &process, {}})
                              .second;
      if (!is_new) {
        throw InputError(fmt::format("{}: its .env.json describes process {} of cell '{}' twice", file,
                                     process.process, process.cell_id));
      }
    }
  }
  return places;
}

std::string kernel_id_of(const RowFields& fields) {
  if (fields.text("mechanism").empty()) return {};
  KernelRecord kernel;
  const auto& params = fields.text("params");
  kernel.mechanism = fields.text("mechanism") + (params.empty() ? "" : "(" + params + ")");
  kernel.kernel = fields.text("kernel");
  kernel.engine = fields.text("engine");
  kernel.path = fields.text("path");
  return kernel.id();
}

SampleRecord read_sample(const RowFields& fields, const Place& place) {
  SampleRecord s;
  s.kernel_id = kernel_id_of(fields);
  if (!s.kernel_id.empty() && find_kernel(*place.cell, s.kernel_id) == nullptr)
    fields.fail("kernel", fmt::format("makes '{}', which the cell does not have", s.kernel_id));
  visit_fields(s, [&](std::string_view field, auto& value) {
    if (field != "kernel_id" && field != "priming_calls") fields.read(field, value);
  });
  if (!s.valid && !place.process->valid && s.reason == "process: " + place.process->reason) {
    s.valid = true;
    s.reason.clear();
  }
  fields.in_row([&] { check(s); });
  return s;
}

/// The columns that only repeat what the environment document says must agree with it.
void check_repeated(const RowFields& fields, const SampleRow& row) {
  for (const auto& column : sample_columns()) {
    if (std::string_view(column.name) == "time_seconds") continue;
    const auto expected = csv_text(column.value(row));
    if (fields.text(column.name) != expected)
      fields.fail(column.name, fmt::format("contradicts the .env.json, which gives '{}'", expected));
  }
}

void take_samples(Place& place, const std::string& file) {
  auto& process = *place.process;
  auto& read = place.samples;
  const auto where = fmt::format("process {} of cell '{}'", process.process, process.cell_id);
  if (read.size() != process.samples.size()) {
    throw InputError(fmt::format("{}: has {} rows of {}, its .env.json says {}", file, read.size(), where,
                                 process.samples.size()));
  }
  std::stable_sort(read.begin(), read.end(),
                   [](const auto& a, const auto& b) { return slot(a.sample) < slot(b.sample); });
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (i > 0 && slot(read[i].sample) == slot(read[i - 1].sample)) {
      throw InputError(fmt::format("{}: lines {} and {} are the same slot of {}", file, read[i - 1].line,
                                   read[i].line, where));
    }
    const int priming_calls = process.samples[i].priming_calls;
    process.samples[i] = read[i].sample;
    process.samples[i].priming_calls = priming_calls;
  }
}

}  // namespace

void check_export_header(const std::vector<CsvRow>& rows, const std::string& file) {
  const auto& columns = sample_columns();
  const std::vector<std::string> none;
  const auto& header = rows.empty() ? none : rows[0].fields;
  for (std::size_t i = 0; i < std::max(columns.size(), header.size()); ++i) {
    const std::string expected = i < columns.size() ? columns[i].name : "no further field";
    const std::string found = i < header.size() ? header[i].substr(0, 100) : "nothing";
    if (expected != found) {
      throw InputError(
          fmt::format("{}: line 1 is not the header of an export: field {} is '{}', expected '{}'", file,
                      i + 1, found, expected));
    }
  }
}

std::vector<RunContents> runs_from_rows(const std::vector<CsvRow>& rows, EnvironmentDocument document,
                                        const std::string& file) {
  auto places = places_of(document, file);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const RowFields fields(file, rows[0], rows[i]);
    const auto found =
        places.find({fields.text("machine"), fields.text("cell_id"), fields.number<int>("process")});
    if (found == places.end())
      fields.fail("process", "with this machine and cell_id is not described in the .env.json");
    auto& place = found->second;
    const auto sample = read_sample(fields, place);
    check_repeated(fields, {document.machines[place.run], *place.cell,
                            find_kernel(*place.cell, sample.kernel_id), *place.process, sample});
    place.samples.push_back({sample, rows[i].line});
  }
  for (auto& [key, place] : places) take_samples(place, file);
  return document.runs;
}

}  // namespace attnbench
