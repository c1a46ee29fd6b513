#include "run/verification/observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>

#include "attnbench/host_kernel.h"
#include "core/each_row.h"
#include "run/allocator.h"
#include "run/bound_call.h"
#include "run/noise/fp_state.h"
#include "run/thrown.h"
#include "run/verification/invariance.h"
#include "run/verification/peak_memory.h"
#include "stats/intervals.h"

namespace attnbench {

constexpr std::byte kUnwritten{0xA5};

void fill_guards(const VerificationCase& c) {
  for (const auto& guard : c.guards) std::fill(guard.bytes.begin(), guard.bytes.end(), kUnwritten);
}

std::string guard_damage(const VerificationCase& c) {
  for (const auto& guard : c.guards) {
    if (std::any_of(guard.bytes.begin(), guard.bytes.end(), [](auto byte) { return byte != kUnwritten; }))
      return fmt::format("it wrote outside of {}", name(guard.role));
  }
  return {};
}

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Enough calls for a median that sets a batch size: 0.1 s of them, at least 3, at most 30.
double median_call_seconds(BoundCall& call) {
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 3 || (times.size() < 30 && seconds_since(start) < 0.1))
    times.push_back(call.run().seconds);
  return stats::median(times);
}

/// A kernel's execution, where it runs, and what is asked of it.
struct Subject {
  const KernelInfo& kernel;
  const Problem& problem;
  const Device& device;
  Queue& queue;
  Demand demand;
};

/// What is recorded, and the largest error / tolerance so far of an output that passed as not to be ranked.
struct Findings {
  VerificationRecord& record;
  double worst_share = -1;
};

/// Books what one call left in its outputs. False, with the reason in the record, if it is wrong. Errors are
/// those of N(0,1); of a kernel that fails or is not to be ranked, those of the input that shows it most.
bool pass_output(const Subject& subject, const Tensors& tensors, const VerificationCase& c,
                 Findings& findings) {
  const auto result = check_output(subject.problem, tensors, c.expected, subject.demand);
  auto& record = findings.record;
  const bool shows_most = result.passed && !result.reason.empty() && result.share > findings.worst_share;
  const bool as_usual = c.kind == reference::InputKind::normal && findings.worst_share < 0;
  if (as_usual || shows_most || !result.passed) {
    record.max_error = result.max_error;
    record.plain_error = result.plain_error;
    record.tolerance = result.tolerance;
  }
  record.passed = result.passed;
  if (!result.passed) record.reason = fmt::format("input '{}': {}", name(c.kind), result.reason);
  if (!shows_most) return record.passed;
  findings.worst_share = result.share;
  record.reason = fmt::format("{}, input '{}'", result.reason, name(c.kind));
  return true;
}

bool fails(VerificationRecord& record, const VerificationCase& c, const std::string& reason) {
  if (reason.empty()) return false;
  record.passed = false;
  record.reason = fmt::format("input '{}': {}", name(c.kind), reason);
  return true;
}

/// Runs and judges one case; `previous` are the tensors of the case before it, if any.
bool pass_case(const Subject& subject, Execution& execution, const VerificationCase& c,
               const Tensors* previous, Findings& findings) {
  auto& record = findings.record;
  const auto tensors = tensors_of(subject.kernel, c.data.tensors);
  const auto first_output = c.expected.outputs.front().role;
  const auto before = hash_inputs(subject.problem, tensors);
  BoundCall call(execution, subject.problem, tensors, subject.queue);
  call.poison_outputs();
  reset_fp_state(subject.device.host_threads());
  call.run();
  call.read_outputs();
  if (fails(record, c, guard_damage(c))) return false;
  if (!pass_output(subject, tensors, c, findings)) {
    if (previous != nullptr && same_output((*previous)[first_output], tensors[first_output]))
      fails(record, c, "it returned the output of the call before: " + record.reason);
    return false;
  }
  call.read_inputs();
  if (hash_inputs(subject.problem, tensors) != before) return !fails(record, c, "it changed its inputs");
  if (!fp_state_is_default(subject.device.host_threads()))
    return !fails(record, c, "it left the floating-point control state changed");
  return !fails(record, c, wrong_implementation(subject.kernel, execution));
}

/// The role in whose elements o is linear.
Role values_role(const Problem& problem) { return problem.scope == Scope::core ? Role::v : Role::wv; }

void negate(const TensorView& view) {
  const auto bytes = size_bytes(view.dtype);
  for_each_row(view, [&](auto b, auto h, auto i) {
    auto* row = view.row_bytes(b, h, i);
    for (std::int64_t c = 1; c <= view.sizes[3]; ++c) row[c * bytes - 1] ^= std::byte{0x80};
  });
}

/// After V was negated and written the next run must give -o. Leaves the inputs as they were.
bool follows_new_values(const Subject& subject, Execution& execution, const VerificationCase& c,
                        const Tensors& tensors, VerificationRecord& record) {
  const auto role = values_role(subject.problem);
  BoundCall call(execution, subject.problem, tensors, subject.queue);
  call.run();
  auto expected = c.expected;
  const bool of_mechanism = subject.demand.function.empty();
  if (!of_mechanism) {
    call.read_outputs();
    expected.outputs.front().exact = first_output(tensors, expected);
  }
  for (auto& value : expected.outputs.front().exact) value = -value;
  negate(tensors[role]);
  call.write(role);
  call.poison_outputs();
  call.run();
  call.read_outputs();
  const auto result =
      check_output(subject.problem, tensors, expected, of_mechanism ? subject.demand : Demand{});
  negate(tensors[role]);
  if (result.passed) return true;
  return !fails(record, c, fmt::format("it does not follow new values of {}: {}", name(role), result.reason));
}

/// All of a call's work is done when its time is told. An engine that computes lazily, when its output is
/// fetched, takes longer to fetch it once than once more; three times in a row is no coincidence.
bool computes_when_timed(const Subject& subject, Execution& execution, const VerificationCase& c,
                         const Tensors& tensors, VerificationRecord& record) {
  constexpr double kNoiseSeconds = 1e-3;
  BoundCall call(execution, subject.problem, tensors, subject.queue);
  double late_seconds = 0;
  double told_seconds = 0;
  for (int n = 0; n < 3; ++n) {
    const double told = call.run().host_seconds;
    auto start = Clock::now();
    call.read_outputs();
    const double first = seconds_since(start);
    start = Clock::now();
    call.read_outputs();
    const double late = first - seconds_since(start);
    if (late < kNoiseSeconds + told) return true;
    late_seconds += late / 3;
    told_seconds += told / 3;
  }
  return !fails(record, c,
                fmt::format("it computes when its output is fetched: {:g} s there, {:g} s while it was timed",
                            late_seconds, told_seconds));
}

bool rerun_is_bitwise(const Subject& subject, Execution& execution, const Tensors& tensors) {
  const auto& o = tensors[Role::o];
  Buffer memory(o.elements() * size_bytes(o.dtype));
  auto again = tensors;
  again[Role::o] =
      dense_view(memory.data(), o.dtype, Layout::bhsd, o.sizes[0], o.sizes[1], o.sizes[2], o.sizes[3]);
  BoundCall call(execution, subject.problem, again, subject.queue);
  call.poison_outputs();
  call.run();
  call.read_outputs();
  return same_output(o, again[Role::o]);
}

/// All that is observed; returns early, with the reason in the record, where the kernel fails.
void observe(const Subject& subject, const std::vector<VerificationCase>& cases,
             const std::function<void(const std::string&)>& doing, VerificationRecord& record) {
  const auto& [kernel, problem, device, queue, demand] = subject;
  Findings findings{record};
  const auto& first = cases.front();
  check_tensors(problem, first.data.tensors);
  auto timed = first.data.tensors;
  timed[Role::lse] = {};  // calls are timed, and checked once, without it
  reset_fp_state(device.host_threads());

  doing("preparing");
  auto start = Clock::now();
  auto execution = kernel.prepare(problem, device);
  record.prepare_seconds = seconds_since(start);
  record.workspace_bytes = execution->workspace_bytes();
  if (record.workspace_bytes < 0) {
    fails(record, first, fmt::format("it says that its workspace has {} bytes", record.workspace_bytes));
    return;
  }
  doing(fmt::format("computing input '{}' for the first time", name(first.kind)));
  {
    BoundCall call(*execution, problem, timed, queue);
    call.poison_outputs();
    record.first_call_seconds = call.run().seconds;
    call.read_outputs();
    if (!pass_output(subject, timed, first, findings)) return;
  }

  // Code is compiled and threads are started by now; what the second execution takes is its own.
  doing("measuring its peak memory");
  execution.reset();
  record.peak_bytes = peak_growth_bytes([&] {
                        execution = kernel.prepare(problem, device);
                        BoundCall(*execution, problem, timed, queue).run();
                      }).value_or(0);

  const Tensors* previous = nullptr;
  for (const auto& c : cases) {
    doing(fmt::format("computing input '{}'", name(c.kind)));
    if (!pass_case(subject, *execution, c, previous, findings)) return;
    previous = &c.data.tensors;
  }
  doing("computing on new values");
  if (!follows_new_values(subject, *execution, first, timed, record)) return;
  doing("being timed");
  BoundCall call(*execution, problem, timed, queue);
  // The loop and the clock of a host's execution are this program's own.
  if (dynamic_cast<const HostExecution*>(execution.get()) == nullptr) {
    if (!computes_when_timed(subject, *execution, first, timed, record)) return;
    call.require_whole_time();
  }
  record.median_call_seconds = median_call_seconds(call);
  doing("running again");
  record.rerun_bitwise = rerun_is_bitwise(subject, *execution, timed);
  doing("computing its last row alone");
  record.unchanged_alone = unchanged_alone(kernel, problem, device, timed);
  doing("computing in a larger batch");
  record.unchanged_in_batch = unchanged_in_batch(kernel, problem, device, timed);
  doing("computing at another thread count");
  record.unchanged_threads = unchanged_threads(kernel, problem, device, timed);
}

/// Its failure is the device's.
std::unique_ptr<Queue> queue_of(const Device& device) {
  std::unique_ptr<Queue> queue;
  const auto reason = thrown([&] { queue = device.make_queue(); });
  if (queue == nullptr)
    throw std::runtime_error(
        fmt::format("device {} gave no queue{}{}", device.name(), reason.empty() ? "" : ": it ", reason));
  return queue;
}

}  // namespace

VerificationRecord observe_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                                  std::vector<VerificationCase>& cases,
                                  const std::function<void(const std::string&)>& doing) {
  // A fixed threshold gives every large workspace pages of its own, so that its peak can be seen.
  give_large_blocks_own_pages();
  VerificationRecord record;
  const auto queue = queue_of(device);
  std::string current = "starting";
  const auto tell = [&](const std::string& what) {
    current = what;
    doing(what);
  };
  try {
    observe({kernel, problem, device, *queue, demand_on(kernel, problem)}, cases, tell, record);
  } catch (const WrongTiming& wrong) {
    record.passed = false;
    record.reason = fmt::format("{} while {}", wrong.what(), current);
  }
  return record;
}

}  // namespace attnbench
