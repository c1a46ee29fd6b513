#include "store/check_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "attnbench/error.h"
#include "core/ceilings.h"
#include "io/json.h"
#include "store/sample_columns.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr double kShortestCallSeconds = 1e-12;
constexpr double kLongestCallSeconds = 24 * 60 * 60;

template <typename T>
void require(bool good, std::string_view field, const T& value, std::string_view problem) {
  if (!good) throw InputError(field, fmt::format("{}", value), problem);
}

void require_one_of(std::initializer_list<std::string_view> known, std::string_view field,
                    const std::string& value) {
  require(std::find(known.begin(), known.end(), value) != known.end(), field, value,
          fmt::format("is not one of {}", fmt::join(known, ", ")));
}

void require_object(const json& document, std::string_view field) {
  if (!document.is_object()) throw InputError(field, json_text(document), "is no JSON object");
}

void require_object_or_null(const json& document, std::string_view field) {
  if (!document.is_null()) require_object(document, field);
}

/// Runs `read` and puts the field before its errors.
template <typename Read>
void in_field(std::string_view field, Read read) {
  try {
    read();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", field, error.what()));
  }
}

}  // namespace

const char* const kNoCallTime = "is not a time a call can take (1e-12 to 86400 seconds)";

bool is_call_time(double seconds) {
  return seconds >= kShortestCallSeconds && seconds <= kLongestCallSeconds;
}

void check(const RunRecord& run) {
  require_object_or_null(*run.plan, "plan");
  if (run.plan->is_object() && run.plan->contains("pair")) {
    in_field("plan", [&] {
      const auto pair = read_field<json>(*run.plan, "pair");
      require_object(pair, "pair");
      if (pair.contains("role")) read_field<std::string>(pair, "role");
    });
  }
  require_object(*run.environment, "environment");
  in_field("environment", [&] {
    if (run.environment->contains("noise_guard"))
      require_one_of({"on", "off"}, "noise_guard", read_field<std::string>(*run.environment, "noise_guard"));
    if (!run.environment->contains("ceilings")) return;
    const auto ceilings = read_field<json>(*run.environment, "ceilings");
    require_object(ceilings, "ceilings");
    for (const auto& [threads, document] : ceilings.items())
      in_field(fmt::format("ceilings[{}]", threads), [&of = document] { ceilings_from_json(of); });
  });
}

void check_kernel(const CellRecord& cell, const KernelRecord& kernel) {
  require(!kernel.kernel.empty(), "kernel", kernel.kernel, "names no kernel");
  require(!kernel.engine.empty(), "engine", kernel.engine, "names no engine");
  require_one_of({"direct", "fused"}, "form", kernel.form);
  if (kernel.batch_calls) require(*kernel.batch_calls >= 1, "batch_calls", *kernel.batch_calls, "is below 1");
  auto mechanism = parse_mechanism(kernel.mechanism);
  require(to_string(mechanism) == kernel.mechanism, "mechanism", kernel.mechanism,
          fmt::format("is not in its canonical form {}", to_string(mechanism)));
  mechanism.num_kv_heads = kernel.num_kv_heads;
  auto shape = cell.shape;
  if (std::isnan(shape.softmax_scale)) shape.softmax_scale = 1;  // not known: published runs do not say
  validate({shape, mechanism, parse_scope(cell.scope), parse_phase(cell.phase)});
}

void check(const CellRecord& cell) {
  require(!cell.cell_id.empty(), "cell_id", cell.cell_id, "names no cell");
  in_field(fmt::format("cell '{}'", cell.cell_id), [&] {
    require(cell.threads >= 0, "threads", cell.threads, "is negative");
    require_one_of({"hot", "cold"}, "condition", cell.condition);
    parse_scope(cell.scope);
    parse_phase(cell.phase);
    std::set<std::string> ids;
    std::string baseline;
    for (const auto& kernel : cell.kernels) {
      in_field(fmt::format("kernel '{}'", kernel.id()), [&] { check_kernel(cell, kernel); });
      require(ids.insert(kernel.id()).second, "kernel", kernel.id(), "appears twice");
      if (!kernel.is_baseline) continue;
      require(baseline.empty(), "is_baseline", kernel.id(),
              fmt::format("is a second one beside {}", baseline));
      baseline = kernel.id();
    }
  });
}

void check(const VerificationRecord& v) {
  require(v.passed || !v.reason.empty(), "reason", v.reason, "must say why a verification failed");
  if (!v.passed) return;  // what it says may be what it failed by
  require(v.workspace_bytes >= 0, "workspace_bytes", v.workspace_bytes, "is negative");
  require(v.peak_bytes >= 0, "peak_bytes", v.peak_bytes, "is negative");
}

/// What a process tells of a kernel: numbers where it has them, and how the check at its end went.
void check_kernel_of_process(const json& kernel) {
  require_object(kernel, "its document");
  for (const auto* field :
       {"prepare_seconds", "bind_seconds", "first_call_seconds", "warmup_seconds", "transport_seconds",
        "executed_flops", "compulsory_bytes", "moved_bytes", "workspace_bytes"}) {
    if (!kernel.contains(field) || kernel[field].is_null()) continue;
    const auto value = read_field<double>(kernel, field);
    require(std::isfinite(value) && value >= 0, field, value, "is no number of 0 or more");
  }
  if (!kernel.contains("recheck") || kernel["recheck"].is_null()) return;
  in_field("recheck", [&] {
    const auto& recheck = kernel["recheck"];
    require_object(recheck, "its document");
    if (!recheck.contains("passed")) return;
    const bool passed = read_field<bool>(recheck, "passed");
    const auto reason = recheck.contains("reason") ? read_field<std::string>(recheck, "reason") : "";
    require(passed || !reason.empty(), "reason", reason, "must say why a kernel failed");
  });
}

void check(const ProcessRecord& process) {
  require(process.process >= 0, "process", process.process, "is negative");
  require(process.valid || !process.reason.empty(), "reason", process.reason,
          "must say why a process is invalid");
  require_object_or_null(*process.noise, "noise");
  require_object_or_null(*process.kernels, "kernels");
  if (process.kernels->is_null()) return;
  for (const auto& [id, document] : process.kernels->items()) {
    in_field(fmt::format("kernels[{}]", id), [&of = document] { check_kernel_of_process(of); });
  }
}

void check(const SampleRecord& s) {
  require(s.block >= -1, "block", s.block, "is below -1");
  require_one_of({"kernel", "alias", "sentinel", "unbatched"}, "role", s.role);
  require(s.kernel_id.empty() == (s.role == "sentinel"), "kernel", s.kernel_id,
          "must be empty for a sentinel and for nothing else");
  require(s.role != "unbatched" || s.block == -1, "block", s.block, "is not -1 in the unbatched run");
  require(s.batch_calls >= 1, "batch_calls", s.batch_calls, "is below 1");
  require(s.priming_calls >= 0, "priming_calls", s.priming_calls, "is negative");
  // Where the clock failed there may be no time.
  require(is_call_time(s.time_seconds) || (!s.valid && s.time_seconds == 0), "time_seconds", s.time_seconds,
          kNoCallTime);
  require(s.valid == s.reason.empty(), "reason", s.reason, "must say why a sample is invalid, and only then");
}

void check(const FailureRecord& failure) {
  require_one_of({"verify", "prepare", "measure", "recheck"}, "stage", failure.stage);
  require(!failure.reason.empty(), "reason", failure.reason, "must say what failed");
}

void check_references(const RunContents& contents) {
  std::map<std::string, const CellRecord*> cells;
  for (const auto& cell : contents.cells)
    require(cells.emplace(cell.cell_id, &cell).second, "cell_id", cell.cell_id, "appears twice");
  const auto find = [&](const std::string& cell_id, const std::string& kernel_id) {
    const auto cell = cells.find(cell_id);
    require(cell != cells.end(), "cell_id", cell_id, "is no cell of this run");
    require(kernel_id.empty() || find_kernel(*cell->second, kernel_id) != nullptr, "kernel_id", kernel_id,
            fmt::format("is no kernel of cell '{}'", cell_id));
  };
  for (const auto& v : contents.verifications) {
    require(!v.kernel_id.empty(), "kernel_id", v.kernel_id, "names no kernel");
    find(v.cell_id, v.kernel_id);
  }
  for (const auto& failure : contents.failures) find(failure.cell_id, failure.kernel_id);
}

}  // namespace attnbench
