#include "run/verification/observe.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "io/record_json.h"
#include "run/noise/fp_state.h"
#include "run/verification/invariance.h"
#include "run/verification/peak_memory.h"

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Enough calls for a median that sets a batch size: 0.1 s of them, at least 3, at most 30.
double median_call_seconds(Execution& execution, const Tensors& tensors, Queue& queue) {
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 3 || (times.size() < 30 && seconds_since(start) < 0.1)) {
    queue.begin_timing();
    execution.enqueue(tensors, queue);
    times.push_back(queue.end_timing_seconds());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// Books what one call left in its outputs. False, with the reason in the record, if it is wrong.
bool pass_output(const Problem& problem, const Tensors& tensors, const VerificationCase& c,
                 VerificationRecord& record) {
  const auto result = check_output(problem, tensors, c.expected);
  if (c.kind == reference::InputKind::normal || !result.passed) {
    record.max_error = result.max_error;
    record.plain_error = result.plain_error;
    record.tolerance = result.tolerance;
  }
  record.passed = result.passed;
  if (!result.passed) record.reason = fmt::format("input '{}': {}", name(c.kind), result.reason);
  return record.passed;
}

/// Runs and judges one case.
bool pass_case(Execution& execution, const Problem& problem, const Device& device, VerificationCase& c,
               Queue& queue, VerificationRecord& record) {
  auto& tensors = c.data.tensors;
  const auto before = hash_inputs(tensors);
  reference::poison_outputs(problem, tensors);
  reset_fp_state(device.threads);
  execution.enqueue(tensors, queue);
  queue.wait();
  if (!pass_output(problem, tensors, c, record)) return false;
  record.passed = false;
  if (hash_inputs(tensors) != before) {
    record.reason = fmt::format("input '{}': it changed its inputs", name(c.kind));
  } else if (!fp_state_is_default(device.threads)) {
    record.reason = fmt::format("input '{}': it left the floating-point control state changed", name(c.kind));
  } else {
    record.passed = true;
  }
  return record.passed;
}

bool rerun_is_bitwise(Execution& execution, const Problem& problem, Tensors& tensors, Queue& queue) {
  const auto& o = tensors.o;
  Buffer memory(o.sizes[0] * o.sizes[1] * o.sizes[2] * o.sizes[3] * size_bytes(o.dtype));
  auto again = tensors;
  again.o = dense_view(memory.data(), o.dtype, Layout::bhsd, o.sizes[0], o.sizes[1], o.sizes[2], o.sizes[3]);
  reference::poison_outputs(problem, again);
  execution.enqueue(again, queue);
  queue.wait();
  return same_output(o, again.o);
}

}  // namespace

void observe_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                    std::vector<VerificationCase>& cases, const ChildSend& send) {
  // A fixed threshold gives every large workspace pages of its own, so that its peak can be seen.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  const auto doing = [&](const std::string& what) { send({{kDoing, what}}); };
  const auto queue = make_cpu_queue();
  VerificationRecord record;
  check_tensors(problem, cases.front().data.tensors);
  auto timed = cases.front().data.tensors;
  timed.lse = {};  // calls are timed, and checked once, without it
  reset_fp_state(device.threads);

  doing("preparing");
  auto start = Clock::now();
  auto execution = kernel.prepare(problem, device);
  record.prepare_seconds = seconds_since(start);
  record.workspace_bytes = execution->workspace_bytes();
  doing(fmt::format("computing input '{}' for the first time", name(cases.front().kind)));
  reference::poison_outputs(problem, timed);
  start = Clock::now();
  execution->enqueue(timed, *queue);
  queue->wait();
  record.first_call_seconds = seconds_since(start);
  if (!pass_output(problem, timed, cases.front(), record)) return send({{kRecord, *record_json(record)}});

  // Code is compiled and threads are started by now; what the second execution takes is its own.
  doing("measuring its peak memory");
  execution.reset();
  record.peak_bytes = peak_growth_bytes([&] {
                        execution = kernel.prepare(problem, device);
                        execution->enqueue(timed, *queue);
                        queue->wait();
                      }).value_or(0);

  for (auto& c : cases) {
    doing(fmt::format("computing input '{}'", name(c.kind)));
    if (!pass_case(*execution, problem, device, c, *queue, record))
      return send({{kRecord, *record_json(record)}});
  }
  doing("being timed");
  record.median_call_seconds = median_call_seconds(*execution, timed, *queue);
  doing("running again");
  record.rerun_bitwise = rerun_is_bitwise(*execution, problem, timed, *queue);
  doing("computing its last row alone");
  record.unchanged_alone = unchanged_alone(kernel, problem, device, timed);
  doing("computing in a larger batch");
  record.unchanged_in_batch = unchanged_in_batch(kernel, problem, device, timed);
  doing("computing at another thread count");
  record.unchanged_threads = unchanged_threads(kernel, problem, device, timed);
  send({{kRecord, *record_json(record)}});
}

}  // namespace attnbench
