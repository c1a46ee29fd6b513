#include "run/bound_call.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace attnbench {
namespace {

/// A message to another process, the start of a graph, the resolution of a device's clock.
constexpr double kBetweenClocksSeconds = 2e-3;
/// Two good clocks differ by less.
constexpr double kClockDrift = 0.02;

std::vector<TensorSpec> given_roles(const Problem& problem, const Tensors& host) {
  auto roles = roles_of(problem);
  std::erase_if(roles, [&](const TensorSpec& spec) { return !host[spec.role]; });
  return roles;
}

void require_credible(const Timing& timing, std::int64_t runs, double host_seconds) {
  if (timing.runs != runs) throw WrongTiming(fmt::format("it made {} of {} calls", timing.runs, runs));
  const auto told = fmt::format("it reports {:g} s for {} call{}; the host waited {:g} s for them",
                                timing.seconds, runs, runs == 1 ? "" : "s", host_seconds);
  if (!std::isfinite(timing.seconds) || timing.seconds <= 0) throw WrongTiming(told);
  if (timing.seconds > (1 + kClockDrift) * host_seconds + kBetweenClocksSeconds) throw WrongTiming(told);
  if (host_seconds > 2 * timing.seconds + kBetweenClocksSeconds) throw WrongTiming(told);
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
  require_credible(timing, runs, waited);
  return {timing.seconds, waited};
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
