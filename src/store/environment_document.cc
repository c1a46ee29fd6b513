#include "store/environment_document.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/json.h"
#include "io/record_json.h"
#include "store/check_records.h"
#include "store/format_1.h"
#include "store/machine_names.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Version 1 lacks what decide_as_format_1() tells.
constexpr int kVersion = 2;

template <typename Record>
Record read_whole(const json& in, FieldNames except = {}) {
  Record record;
  read_record(in, record, except);
  return record;
}

KernelRecord read_kernel(const json& in, int version) {
  auto kernel =
      version > 1 ? read_whole<KernelRecord>(in) : read_whole<KernelRecord>(in, {"is_default_path", "form"});
  kernel.mechanism = to_string(parse_mechanism(kernel.mechanism));
  return kernel;
}

// A process stands in its cell, and the rows give its samples.
json process_json(const ProcessRecord& p) {
  auto out = *record_json(p, {"cell_id"});
  auto& priming = out["priming_calls"] = json::array();
  for (const auto& sample : p.samples) priming.push_back(sample.priming_calls);
  return out;
}

ProcessRecord read_process(const json& in) {
  auto p = read_whole<ProcessRecord>(in, {"cell_id"});
  for (const auto priming : read_field<std::vector<int>>(in, "priming_calls")) {
    SampleRecord sample;
    sample.priming_calls = priming;
    p.samples.push_back(sample);
  }
  check(p);
  return p;
}

json cell_json(const CellRecord& cell) {
  auto out = *record_json(cell);
  auto& kernels = out["kernels"] = json::array();
  for (const auto& kernel : cell.kernels) kernels.push_back(*record_json(kernel));
  out["processes"] = json::array();
  return out;
}

CellRecord read_cell(const json& in, const RunRecord& run, int version) {
  auto cell = read_whole<CellRecord>(in);
  read_list(in, "kernels", [&](const json& kernel) { cell.kernels.push_back(read_kernel(kernel, version)); });
  if (version == 1) decide_as_format_1(run, cell);
  check(cell);
  return cell;
}

/// A record of its own list.
template <typename Record>
void read_records(const json& in, const char* list, std::vector<Record>& records) {
  read_list(in, list, [&](const json& entry) {
    records.push_back(read_whole<Record>(entry));
    check(records.back());
  });
}

json run_json(const RunContents& contents, const std::string& machine) {
  auto out = *record_json(contents.run);
  out["machine"] = machine;
  for (const auto* list : {"cells", "verifications", "failures"}) out[list] = json::array();
  for (const auto& cell : contents.cells) {
    auto entry = cell_json(cell);
    for (const auto& process : contents.processes) {
      if (process.cell_id == cell.cell_id) entry["processes"].push_back(process_json(process));
    }
    out["cells"].push_back(std::move(entry));
  }
  for (const auto& v : contents.verifications) out["verifications"].push_back(*record_json(v));
  for (const auto& f : contents.failures) out["failures"].push_back(*record_json(f));
  return out;
}

RunContents read_run(const json& in, int version) {
  RunContents contents;
  contents.run = read_whole<RunRecord>(in);
  check(contents.run);
  read_list(in, "cells", [&](const json& entry) {
    contents.cells.push_back(read_cell(entry, contents.run, version));
    const auto& id = contents.cells.back().cell_id;
    read_list(entry, "processes", [&](const json& process) {
      contents.processes.push_back(read_process(process));
      contents.processes.back().cell_id = id;
    });
  });
  read_records(in, "verifications", contents.verifications);
  read_records(in, "failures", contents.failures);
  check_references(contents);
  return contents;
}

}  // namespace

json environment_document(const std::vector<RunContents>& runs) {
  const auto names = machine_names(runs);
  json document = {{"attnbench_export", kVersion}, {"runs", json::array()}};
  for (std::size_t i = 0; i < runs.size(); ++i) document["runs"].push_back(run_json(runs[i], names[i]));
  return document;
}

EnvironmentDocument read_environment_document(const json& document) {
  const auto version = read_field<int>(document, "attnbench_export");
  if (version < 1 || version > kVersion) {
    throw InputError("attnbench_export", std::to_string(version),
                     fmt::format("is a version this AttnBench does not read (it reads 1 to {})", kVersion));
  }
  EnvironmentDocument result;
  read_list(document, "runs", [&](const json& run) {
    result.machines.push_back(read_field<std::string>(run, "machine"));
    result.runs.push_back(read_run(run, version));
  });
  return result;
}

}  // namespace attnbench
