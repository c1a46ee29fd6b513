#include "run/verification/verify_cell.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/json.h"
#include "io/record_json.h"
#include "plan/budget.h"
#include "run/verification/observe.h"

namespace attnbench {
namespace {

using nlohmann::json;
using reference::InputKind;

/// Above this many multiply-adds of a dense computation three kinds of input must do.
constexpr double kLargeProblem = 1e8;

double dense_multiply_adds(const Problem& problem) {
  const auto& s = problem.shape;
  const auto tokens = static_cast<double>(s.batch * s.seqlen_q);
  const auto head_elements = static_cast<double>(s.num_q_heads * (s.head_dim_qk + s.head_dim_v));
  const double projections = 2 * tokens * static_cast<double>(s.d_model) * head_elements;
  return tokens * static_cast<double>(s.seqlen_kv) * head_elements + projections;
}

std::vector<InputKind> kinds_for(const Problem& problem) {
  if (dense_multiply_adds(problem) > kLargeProblem) {
    return {InputKind::normal, InputKind::rising, InputKind::extreme};
  }
  return reference::all_input_kinds();
}

std::vector<VerificationCase> make_cases(const Problem& problem, std::uint64_t seed) {
  std::vector<VerificationCase> cases;
  const auto rows = reference::sample_rows(problem);
  for (const auto kind : kinds_for(problem)) {
    const bool with_lse = problem.scope == Scope::core && problem.mechanism.is_softmax();
    auto data = reference::make_data(problem, kind, seed, with_lse);
    auto expected = expect(problem, data.tensors, rows);
    cases.push_back({kind, std::move(data), std::move(expected)});
  }
  return cases;
}

}  // namespace

std::int64_t verification_input_bytes(const Problem& problem) {
  return static_cast<std::int64_t>(kinds_for(problem).size()) * tensor_bytes(problem);
}

namespace {

std::string unsupported_reason(const VerificationTarget& target, const Device& device,
                               const VerificationLimits& limits) {
  const auto support = target.kernel->supports(target.problem, device);
  if (!support) return support.reason();
  const auto bytes = target.kernel->workspace_bytes(target.problem, device);
  if (limits.memory_bytes > 0 && bytes > limits.memory_bytes) {
    return fmt::format("needs a workspace of {} bytes; {} are available to it", bytes, limits.memory_bytes);
  }
  return {};
}

VerificationOutcome verify_in_child(const VerificationTarget& target, const Device& device,
                                    const VerificationLimits& limits, std::vector<VerificationCase>& cases) {
  VerificationOutcome outcome;
  auto& record = outcome.record;
  bool recorded = false;
  std::string doing = "starting";
  const auto end = run_child(
      [&](const ChildSend& send) { observe_kernel(*target.kernel, target.problem, device, cases, send); },
      {.seconds = limits.seconds,
       .seconds_are_total = true,
       .memory_bytes = limits.memory_bytes,
       .threads = std::max(device.threads, 2)},
      [&](const json& message) {
        if (message.contains(kDoing)) doing = message.at(kDoing).get<std::string>();
        if (!message.contains(kRecord)) return;
        read_record(message.at(kRecord), record);
        recorded = true;
      });
  if (recorded) return outcome;
  record.reason = fmt::format("{} while {}", end.reason, doing);
  if (end.system_out_of_memory)
    outcome.unsupported_reason = fmt::format("does not fit in memory: its verification {}", record.reason);
  return outcome;
}

}  // namespace

json to_json(const VerificationOutcome& outcome) {
  auto out = *record_json(outcome.record);
  out["unsupported_reason"] = outcome.unsupported_reason;
  out["is_default_path"] = outcome.is_default_path;
  return out;
}

VerificationOutcome outcome_from_json(const json& in) {
  VerificationOutcome outcome;
  read_record(in, outcome.record);
  outcome.unsupported_reason = read_field<std::string>(in, "unsupported_reason");
  outcome.is_default_path = read_field<bool>(in, "is_default_path");
  return outcome;
}

void verify_cell(const std::string& cell_id, std::span<const VerificationTarget> targets,
                 const Device& device, const VerificationLimits& limits,
                 const std::function<void(const VerificationOutcome&)>& on_outcome) {
  std::vector<VerificationCase> cases;
  const Problem* problem_of_cases = nullptr;
  for (const auto& target : targets) {
    VerificationOutcome outcome;
    outcome.unsupported_reason = unsupported_reason(target, device, limits);
    if (outcome.unsupported_reason.empty()) {
      if (problem_of_cases == nullptr || *problem_of_cases != target.problem) {
        cases.clear();
        cases = make_cases(target.problem, limits.seed);
        problem_of_cases = &target.problem;
      }
      outcome = verify_in_child(target, device, limits, cases);
    }
    outcome.record.cell_id = cell_id;
    outcome.record.kernel_id = kernel_id(target.problem.mechanism, *target.kernel);
    on_outcome(outcome);
  }
}

}  // namespace attnbench
