#include "run/verification/verify_cell.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "plan/budget.h"
#include "run/external/kernel_worker.h"
#include "run/verification/kernel_process.h"
#include "run/verification/shared_cases.h"

namespace attnbench {
namespace {

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

KernelId id_of(const VerificationTarget& target) {
  return {target.problem.mechanism, std::string(target.kernel->kernel()),
          std::string(target.kernel->engine()), std::string(target.kernel->path())};
}

/// The processes in which kernels are verified: one for each kernel of this program on a CPU. Neighbours
/// share one, as long as all they do is right, where starting takes seconds: those of the same engine's
/// program, which is apart from it, and those of this program on a device with a driver (2 s each on an
/// H200).
class KernelProcesses {
 public:
  KernelProcesses(const Program& worker, const SharedWriter& cases, const Device& device)
      : worker_(worker), cases_(cases), starts_fast_(device.address_space_is_memory()) {}

  KernelProcess& of(const KernelInfo& kernel) {
    const auto program = program_of(kernel);
    const bool alone = program.empty() && starts_fast_;
    if (!process_ || alone || program != program_) {
      process_.reset();  // ends before the next one starts
      process_.emplace(worker_for(kernel, worker_), cases_.descriptor());
      program_ = program;
      served_ = 0;
    }
    ++served_;
    return *process_;
  }
  /// Whether the process has served other kernels before the present one.
  bool shared() const { return served_ > 1; }
  void end() { process_.reset(); }

 private:
  const Program& worker_;
  const SharedWriter& cases_;
  bool starts_fast_;
  std::optional<KernelProcess> process_;
  std::string program_;
  int served_ = 0;  ///< kernels, by the process
};

VerificationOutcome verify_in(KernelProcess& process, const VerificationTarget& target, const Device& device,
                              const VerificationLimits& limits) {
  VerificationOutcome outcome;
  std::string doing = "starting";
  process.ask(to_json(messages::Observe{id_of(target), device.name(), target.problem, limits.memory_bytes}));
  const auto answer = process.answer(limits.seconds, [&](const std::string& what) { doing = what; });
  if (process.end().empty()) {
    outcome.record = messages::read<messages::Observed>(answer).record;
  } else {
    outcome.record.reason = fmt::format("{} while {}", process.end(), doing);
    if (process.system_out_of_memory())
      outcome.unsupported_reason =
          fmt::format("does not fit in memory: its verification {}", outcome.record.reason);
  }
  return outcome;
}

/// Its failure is its own: where others were in the process before it, it is verified once more without them.
VerificationOutcome verify_in(KernelProcesses& processes, const VerificationTarget& target,
                              const Device& device, const VerificationLimits& limits) {
  while (true) {
    auto outcome = verify_in(processes.of(*target.kernel), target, device, limits);
    if (outcome.record.passed) return outcome;
    const bool shared = processes.shared();
    processes.end();
    if (!shared) return outcome;
  }
}

}  // namespace

void verify_cell(const std::string& cell_id, std::span<const VerificationTarget> targets,
                 const Device& device, const VerificationLimits& limits, const Program& worker,
                 const std::function<void(const VerificationOutcome&)>& on_outcome) {
  std::optional<SharedWriter> cases;
  std::optional<KernelProcesses> processes;
  const Problem* problem_of_cases = nullptr;
  for (const auto& target : targets) {
    VerificationOutcome outcome;
    outcome.unsupported_reason = unsupported_reason(target, device, limits);
    if (outcome.unsupported_reason.empty()) {
      if (problem_of_cases == nullptr || *problem_of_cases != target.problem) {
        processes.reset();
        cases.emplace();
        put_cases(*cases, target.problem, kinds_for(target.problem), limits.seed);
        cases->seal();
        processes.emplace(worker, *cases, device);
        problem_of_cases = &target.problem;
      }
      outcome = verify_in(*processes, target, device, limits);
    }
    outcome.record.cell_id = cell_id;
    outcome.record.kernel_id = kernel_id(target.problem.mechanism, *target.kernel);
    on_outcome(outcome);
  }
}

}  // namespace attnbench
