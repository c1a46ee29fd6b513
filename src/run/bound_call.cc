#include "run/bound_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace attnbench {
namespace {

/// Two good clocks differ by less, in proportion and in all.
constexpr double kClockDrift = 0.02;
constexpr double kClockSeconds = 1e-4;

std::vector<TensorSpec> given_roles(const Problem& problem, const Tensors& host) {
  auto roles = roles_of(problem);
  std::erase_if(roles, [&](const TensorSpec& spec) { return !host[spec.role]; });
  return roles;
}

std::string report(double seconds, std::int64_t runs, double host_seconds) {
  return fmt::format("it reports {:g} s for {} call{}; the host waited {:g} s for them", seconds, runs,
                     runs == 1 ? "" : "s", host_seconds);
}

}  // namespace

BoundCall::BoundCall(Execution& execution, const Problem& problem, const Tensors& host, Queue& queue)
    : execution_(execution),
      roles_(given_roles(problem, host)),
      queue_(queue),
      binding_(execution.bind(host)) {}

RunTime BoundCall::run(std::int64_t runs) {
  Binding* const binding = binding_.get();
  const auto start = std::chrono::steady_clock::now();
  const auto timing = execution_.time({&binding, 1}, runs, queue_);
  const double waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (timing.runs != runs) throw WrongTiming(fmt::format("it made {} of {} calls", timing.runs, runs));
  const bool possible = std::isfinite(timing.seconds) && timing.seconds > 0 &&
                        timing.seconds <= (1 + kClockDrift) * waited + kClockSeconds;
  if (!possible) throw WrongTiming(report(timing.seconds, runs, waited));
  return {timing.seconds, waited};
}

void BoundCall::require_whole_time() {
  constexpr double kEnoughSeconds = 0.02;
  constexpr double kLeastShare = 0.5;
  std::int64_t runs = 1;
  for (int suspicions = 0; suspicions < 3;) {
    const auto time = run(runs);
    if (time.host_seconds < kEnoughSeconds) {
      // One short time is not trusted for more than sixteen times as many calls.
      runs *= static_cast<std::int64_t>(std::clamp(1.2 * kEnoughSeconds / time.host_seconds, 2.0, 16.0));
      continue;
    }
    if (time.seconds >= kLeastShare * time.host_seconds) return;
    if (++suspicions == 3) throw WrongTiming(report(time.seconds, runs, time.host_seconds));
    runs *= 4;  // what a loaded machine adds to a message does not grow with the calls
  }
}

void BoundCall::poison_outputs() {
  for (const auto& spec : roles_) {
    if (spec.access == Access::out) binding_->poison(spec.role);
  }
}

void BoundCall::read_outputs() {
  for (const auto& spec : roles_) {
    if (spec.access == Access::out) binding_->read(spec.role);
  }
}

void BoundCall::read_inputs() {
  for (const auto& spec : roles_) {
    if (spec.access == Access::in) binding_->read(spec.role);
  }
}

std::string wrong_implementation(const KernelInfo& kernel, const Execution& execution) {
  const auto found = execution.implementation();
  if (found.ran.empty() || found.ran == kernel.implementation()) return {};
  return fmt::format("'{}' ran, not '{}': {}", found.ran, kernel.implementation(), found.known_by);
}

}  // namespace attnbench
