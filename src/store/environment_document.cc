#include "store/environment_document.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/json.h"
#include "store/check_records.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

// JSON has no NaN and no infinity, and both occur in the errors of a broken kernel.
json number_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double read_number(const json& in, const char* field) {
  const auto& value = field_of(in, field);
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  return read_field<double>(in, field);
}

template <typename T>
json optional_json(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

template <typename T>
std::optional<T> read_optional(const json& in, const char* field) {
  if (field_of(in, field).is_null()) return std::nullopt;
  return read_field<T>(in, field);
}

json kernel_json(const KernelRecord& k) {
  return {{"mechanism", k.mechanism},
          {"kernel", k.kernel},
          {"engine", k.engine},
          {"path", k.path},
          {"num_kv_heads", k.num_kv_heads},
          {"support_reason", k.support_reason},
          {"is_baseline", k.is_baseline},
          {"batch_calls", optional_json(k.batch_calls)},
          {"quarantine_reason", k.quarantine_reason}};
}

KernelRecord read_kernel(const json& in) {
  KernelRecord k;
  k.mechanism = to_string(parse_mechanism(read_field<std::string>(in, "mechanism")));
  k.kernel = read_field<std::string>(in, "kernel");
  k.engine = read_field<std::string>(in, "engine");
  k.path = read_field<std::string>(in, "path");
  k.num_kv_heads = read_field<std::int64_t>(in, "num_kv_heads");
  k.support_reason = read_field<std::string>(in, "support_reason");
  k.is_baseline = read_field<bool>(in, "is_baseline");
  k.batch_calls = read_optional<std::int64_t>(in, "batch_calls");
  k.quarantine_reason = read_field<std::string>(in, "quarantine_reason");
  return k;
}

json process_json(const ProcessRecord& p) {
  auto priming = json::array();
  for (const auto& sample : p.samples) priming.push_back(sample.priming_calls);
  return {{"process", p.process},
          {"valid", p.valid},
          {"reason", p.reason},
          {"started_utc", p.started_utc},
          {"boot_id", p.boot_id},
          {"orders", p.orders},
          {"order_kernels", p.order_kernels},
          {"noise", *p.noise},
          {"kernels", *p.kernels},
          {"priming_calls", priming}};
}

ProcessRecord read_process(const json& in) {
  ProcessRecord p;
  p.process = read_field<int>(in, "process");
  p.valid = read_field<bool>(in, "valid");
  p.reason = read_field<std::string>(in, "reason");
  p.started_utc = read_field<std::string>(in, "started_utc");
  p.boot_id = read_field<std::string>(in, "boot_id");
  p.orders = read_field<std::vector<std::vector<int>>>(in, "orders");
  p.order_kernels = read_field<std::vector<std::string>>(in, "order_kernels");
  p.noise = read_field<json>(in, "noise");
  p.kernels = read_field<json>(in, "kernels");
  for (const auto priming : read_field<std::vector<int>>(in, "priming_calls")) {
    SampleRecord sample;
    sample.priming_calls = priming;
    p.samples.push_back(sample);
  }
  check(p);
  return p;
}

json cell_json(const CellRecord& cell) {
  auto kernels = json::array();
  for (const auto& kernel : cell.kernels) kernels.push_back(kernel_json(kernel));
  return {{"cell_id", cell.cell_id},   {"device", cell.device},        {"threads", cell.threads},
          {"cpus", cell.cpus},         {"condition", cell.condition},  {"phase", cell.phase},
          {"scope", cell.scope},       {"shape", to_json(cell.shape)}, {"kernels", kernels},
          {"processes", json::array()}};
}

CellRecord read_cell(const json& in) {
  CellRecord cell;
  cell.cell_id = read_field<std::string>(in, "cell_id");
  cell.device = read_field<std::string>(in, "device");
  cell.threads = read_field<int>(in, "threads");
  cell.cpus = read_field<std::vector<int>>(in, "cpus");
  cell.condition = read_field<std::string>(in, "condition");
  cell.phase = read_field<std::string>(in, "phase");
  cell.scope = read_field<std::string>(in, "scope");
  cell.shape = shape_from_json(field_of(in, "shape"));
  read_list(in, "kernels", [&](const json& kernel) { cell.kernels.push_back(read_kernel(kernel)); });
  check(cell);
  return cell;
}

json verification_json(const VerificationRecord& v) {
  return {{"cell_id", v.cell_id},
          {"kernel_id", v.kernel_id},
          {"passed", v.passed},
          {"reason", v.reason},
          {"max_error", number_json(v.max_error)},
          {"plain_error", number_json(v.plain_error)},
          {"tolerance", number_json(v.tolerance)},
          {"median_call_seconds", number_json(v.median_call_seconds)},
          {"rerun_bitwise", optional_json(v.rerun_bitwise)},
          {"unchanged_alone", optional_json(v.unchanged_alone)},
          {"unchanged_in_batch", optional_json(v.unchanged_in_batch)},
          {"unchanged_threads", optional_json(v.unchanged_threads)},
          {"workspace_bytes", v.workspace_bytes},
          {"peak_bytes", v.peak_bytes},
          {"prepare_seconds", number_json(v.prepare_seconds)},
          {"first_call_seconds", number_json(v.first_call_seconds)}};
}

VerificationRecord read_verification(const json& in) {
  VerificationRecord v;
  v.cell_id = read_field<std::string>(in, "cell_id");
  v.kernel_id = read_field<std::string>(in, "kernel_id");
  v.passed = read_field<bool>(in, "passed");
  v.reason = read_field<std::string>(in, "reason");
  v.max_error = read_number(in, "max_error");
  v.plain_error = read_number(in, "plain_error");
  v.tolerance = read_number(in, "tolerance");
  v.median_call_seconds = read_number(in, "median_call_seconds");
  v.rerun_bitwise = read_optional<bool>(in, "rerun_bitwise");
  v.unchanged_alone = read_optional<bool>(in, "unchanged_alone");
  v.unchanged_in_batch = read_optional<bool>(in, "unchanged_in_batch");
  v.unchanged_threads = read_optional<bool>(in, "unchanged_threads");
  v.workspace_bytes = read_field<std::int64_t>(in, "workspace_bytes");
  v.peak_bytes = read_field<std::int64_t>(in, "peak_bytes");
  v.prepare_seconds = read_number(in, "prepare_seconds");
  v.first_call_seconds = read_number(in, "first_call_seconds");
  check(v);
  return v;
}

FailureRecord read_failure(const json& in) {
  FailureRecord failure{read_field<std::string>(in, "cell_id"), read_field<std::string>(in, "kernel_id"),
                        read_field<std::string>(in, "stage"), read_field<std::string>(in, "reason")};
  check(failure);
  return failure;
}

json run_json(const RunContents& contents, const std::string& machine) {
  const auto& run = contents.run;
  json out = {{"machine", machine},
              {"study", run.study},
              {"profile", run.profile},
              {"seed", run.seed},
              {"plan_hash", run.plan_hash},
              {"build_id", run.build_id},
              {"machine_key", run.machine_key},
              {"plan", *run.plan},
              {"environment", *run.environment},
              {"cells", json::array()},
              {"verifications", json::array()},
              {"failures", json::array()}};
  for (const auto& cell : contents.cells) {
    auto entry = cell_json(cell);
    for (const auto& process : contents.processes) {
      if (process.cell_id == cell.cell_id) entry["processes"].push_back(process_json(process));
    }
    out["cells"].push_back(std::move(entry));
  }
  for (const auto& verification : contents.verifications)
    out["verifications"].push_back(verification_json(verification));
  for (const auto& f : contents.failures) {
    out["failures"].push_back(
        {{"cell_id", f.cell_id}, {"kernel_id", f.kernel_id}, {"stage", f.stage}, {"reason", f.reason}});
  }
  return out;
}

RunContents read_run(const json& in) {
  RunContents contents;
  auto& run = contents.run;
  run.study = read_field<std::string>(in, "study");
  run.profile = read_field<std::string>(in, "profile");
  run.seed = read_field<std::uint64_t>(in, "seed");
  run.plan_hash = read_field<std::string>(in, "plan_hash");
  run.build_id = read_field<std::string>(in, "build_id");
  run.machine_key = read_field<std::string>(in, "machine_key");
  run.plan = read_field<json>(in, "plan");
  run.environment = read_field<json>(in, "environment");
  check(run);
  read_list(in, "cells", [&](const json& entry) {
    contents.cells.push_back(read_cell(entry));
    const auto& id = contents.cells.back().cell_id;
    read_list(entry, "processes", [&](const json& process) {
      contents.processes.push_back(read_process(process));
      contents.processes.back().cell_id = id;
    });
  });
  read_list(in, "verifications",
            [&](const json& entry) { contents.verifications.push_back(read_verification(entry)); });
  read_list(in, "failures", [&](const json& entry) { contents.failures.push_back(read_failure(entry)); });
  check_references(contents);
  return contents;
}

}  // namespace

std::vector<std::string> machine_names(std::span<const RunContents> runs) {
  std::vector<std::string> names;
  std::map<std::string, int> seen;
  for (const auto& contents : runs) {
    const auto label = machine_label(contents.run);
    const int count = ++seen[label];
    names.push_back(count == 1 ? label : fmt::format("{} ({})", label, count));
  }
  return names;
}

json environment_document(const std::vector<RunContents>& runs) {
  const auto names = machine_names(runs);
  json document = {{"attnbench_export", kVersion}, {"runs", json::array()}};
  for (std::size_t i = 0; i < runs.size(); ++i) document["runs"].push_back(run_json(runs[i], names[i]));
  return document;
}

EnvironmentDocument read_environment_document(const json& document) {
  const auto version = read_field<int>(document, "attnbench_export");
  if (version != kVersion) {
    throw InputError("attnbench_export", std::to_string(version),
                     fmt::format("is a version this AttnBench does not read (it reads {})", kVersion));
  }
  EnvironmentDocument result;
  read_list(document, "runs", [&](const json& run) {
    result.machines.push_back(read_field<std::string>(run, "machine"));
    result.runs.push_back(read_run(run));
  });
  return result;
}

}  // namespace attnbench
