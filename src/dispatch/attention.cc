#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "attnbench/dispatch.h"
#include "attnbench/error.h"

namespace attnbench {

struct Attention::Impl {
  Decision decision;
  Problem problem;
  std::vector<TensorSpec> given;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Execution> execution;
  std::unique_ptr<Binding> binding;
};

Attention::Attention(const Dispatcher& dispatcher, const Problem& problem, std::span<const Mechanism> allowed)
    : impl_(std::make_unique<Impl>()) {
  auto& plan = *impl_;
  plan.decision = dispatcher.choose(problem, allowed);
  plan.problem = problem;
  if (!plan.decision) {
    auto reason = in_words(plan.decision);
    for (const auto& candidate : dispatcher.candidates(problem, allowed))
      reason +=
          fmt::format("; {}: {}", kernel_id(candidate.mechanism, *candidate.kernel), candidate.excluded);
    throw InputError(reason);
  }
  plan.problem.mechanism = plan.decision.mechanism;
  plan.queue = dispatcher.device().make_queue();
  plan.execution = plan.decision.kernel->prepare(plan.problem, dispatcher.device());
}
Attention::~Attention() = default;
Attention::Attention(Attention&&) noexcept = default;
Attention& Attention::operator=(Attention&&) noexcept = default;

const Decision& Attention::decision() const { return impl_->decision; }
const Problem& Attention::problem() const { return impl_->problem; }

void Attention::bind(const Tensors& tensors) {
  check_tensors(impl_->problem, tensors);
  impl_->binding = impl_->execution->bind(tensors);
  impl_->given.clear();
  for (const auto& spec : roles_of(impl_->problem)) {
    if (tensors[spec.role]) impl_->given.push_back(spec);
  }
}

Timing Attention::run(std::int64_t calls) {
  Binding* const binding = impl_->binding.get();
  if (binding == nullptr) throw InputError("no tensors are bound: call bind() first");
  if (calls < 1) throw InputError("calls", std::to_string(calls), "is less than 1");
  return impl_->execution->time({&binding, 1}, calls, *impl_->queue);
}

void Attention::write_inputs() {
  for (const auto& spec : impl_->given) {
    if (spec.access == Access::in) impl_->binding->write(spec.role);
  }
}

void Attention::read_outputs() {
  for (const auto& spec : impl_->given) {
    if (spec.access == Access::out) impl_->binding->read(spec.role);
  }
}

}  // namespace attnbench
