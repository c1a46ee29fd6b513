#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/decisions.h"
#include "core/kernel_name.h"
#include "dispatch/cost_book.h"
#include "dispatch/decision_table.h"
#include "dispatch/kernel_names.h"
#include "dispatch/profile.h"

namespace attnbench {
namespace {

/// Index of the default one of the candidates that may be used, by the rules that the Dispatcher's comment
/// states. Pre: there is one.
std::size_t default_of(const std::vector<Candidate>& candidates, const std::vector<std::size_t>& usable) {
  std::vector<std::size_t> of_form;
  for (const auto i : usable) {
    if (form_of(candidates[i].kernel->kernel()) == "fused") of_form.push_back(i);
  }
  if (of_form.empty()) of_form = usable;
  const auto& first = *candidates[of_form.front()].kernel;
  std::vector<std::size_t> same_kernel;
  std::vector<std::string_view> paths;
  for (const auto i : of_form) {
    const auto& kernel = *candidates[i].kernel;
    if (kernel.kernel() != first.kernel() || kernel.engine() != first.engine()) continue;
    same_kernel.push_back(i);
    paths.push_back(kernel.path());
  }
  return same_kernel[preferred_path(paths, {})];
}

}  // namespace

struct Dispatcher::Impl {
  Impl(const Device& where, const Policy& policy)
      : device(where),
        deterministic(policy.deterministic),
        byte_limit(policy.byte_limit),
        forced(forced_name(policy)),
        denied(denied_names(policy)) {
    if (byte_limit < 0) throw InputError("byte_limit", std::to_string(byte_limit), "is negative");
    const auto file = policy.profile.empty() ? environment_value("ATTNBENCH_PROFILE") : policy.profile;
    auto found = find_profile(file, origin_here(device));
    state = found.state;
    problem = std::move(found.problem);
    if (state != ProfileState::trusted) return;
    book = CostBook(found.profile, device);
    of_certificate = attnbench::certificate_problem(found.profile.certificate);
  }

  const Device& device;
  const bool deterministic;
  const std::int64_t byte_limit;
  const KernelName forced;
  const std::vector<KernelName> denied;
  ProfileState state = ProfileState::none;
  std::string problem, of_certificate;  ///< what is wrong with the profile, and with its certificate
  CostBook book;
  DecisionTable remembered;

  /// Why the kernel may not be used; empty where it may.
  std::string excluded(const KernelInfo& kernel, const Problem& p, bool kind_is_known,
                       std::int64_t bytes) const {
    if (forced) {
      if (!forced.means(kernel, p.mechanism)) return fmt::format("{} is forced", forced.text);
    }
    for (const auto& name : denied) {
      if (name.means(kernel, p.mechanism)) return fmt::format("{} is denied", name.text);
    }
    if (const auto function = kernel.other_function(p); !function.empty())
      return "computes another function: " + function;
    if (byte_limit > 0 && bytes > byte_limit)
      return fmt::format("needs a workspace of {} bytes; {} are allowed", bytes, byte_limit);
    const auto verdict = book.verified(kernel, kind_of(p));
    if (kind_is_known && !verdict)
      return fmt::format("did not pass verification here for {}", in_words(kind_of(p)));
    if (deterministic && !(verdict && verdict->deterministic))
      return verdict ? "repeated calls gave other bits"
                     : "is not known to be deterministic: not verified here";
    return {};
  }

  std::vector<Candidate> candidates_for(const Problem& p, std::span<const Mechanism> allowed) const;
  Decision decide(const Problem& p, std::span<const Mechanism> allowed, std::vector<Candidate>& all) const;
};

std::vector<Candidate> Dispatcher::Impl::candidates_for(const Problem& own,
                                                        std::span<const Mechanism> allowed) const {
  std::vector<Candidate> all;
  auto p = own;
  for (std::size_t m = 0; m <= allowed.size(); ++m) {
    if (m > 0) {
      p.mechanism = allowed[m - 1];
      const auto seen = [&](const Candidate& c) { return c.mechanism == p.mechanism; };
      if (p.mechanism == own.mechanism || std::any_of(all.begin(), all.end(), seen)) continue;
      validate(p);
    }
    const bool kind_is_known = book.knows(kind_of(p));
    for (const auto* kernel : kernels()) {
      if (!computes(*kernel, p.mechanism.kind)) continue;
      Candidate candidate;
      candidate.kernel = kernel;
      candidate.mechanism = p.mechanism;
      if (const auto support = kernel->supports(p, device); !support) {
        candidate.excluded = support.reason();
      } else {
        candidate.supported = true;
        // Some kernels build a plan to tell: not asked where nothing depends on it.
        if (byte_limit > 0) candidate.workspace_bytes = kernel->workspace_bytes(p, device);
        candidate.excluded = excluded(*kernel, p, kind_is_known, candidate.workspace_bytes);
      }
      all.push_back(std::move(candidate));
    }
  }
  return all;
}

Decision Dispatcher::Impl::decide(const Problem& own, std::span<const Mechanism> allowed,
                                  std::vector<Candidate>& all) const {
  all = candidates_for(own, allowed);
  Decision decision;
  decision.mechanism = own.mechanism;
  auto& because = decision.because;
  because.profile = state;

  std::vector<std::size_t> usable, own_usable;
  bool any_supports = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    any_supports = any_supports || all[i].supported;
    if (!all[i].excluded.empty()) continue;
    usable.push_back(i);
    if (all[i].mechanism == own.mechanism) own_usable.push_back(i);
  }
  if (usable.empty()) {
    because.reason = forced         ? Reason::forced_refused
                     : any_supports ? Reason::none_allowed
                                    : Reason::none_computes;
    return decision;
  }
  const auto standard = default_of(all, own_usable.empty() ? usable : own_usable);
  all[standard].is_default = true;
  const auto take = [&](std::size_t i, Reason reason) {
    decision.kernel = all[i].kernel;
    decision.mechanism = all[i].mechanism;
    auto p = own;
    p.mechanism = all[i].mechanism;
    because.reason = reason;
    because.verified = book.verified(*all[i].kernel, kind_of(p)).has_value();
    because.seconds = all[i].seconds;
    return decision;
  };

  // Times, of those that have one.
  std::vector<std::size_t> timed;
  std::vector<Contender> contenders;
  std::size_t incumbent = all.size();
  bool out_of_range = false;
  auto p = own;
  for (const auto i : usable) {
    p.mechanism = all[i].mechanism;
    const auto cost = book.cost(*all[i].kernel, p, device.host_threads());
    out_of_range = out_of_range || (i == standard && cost.out_of_range);
    if (!cost.time) continue;
    all[i].seconds = std::exp(cost.time->log_seconds);
    all[i].log_error = cost.time->log_error;
    if (i == standard) incumbent = timed.size();
    timed.push_back(i);
    contenders.push_back({*cost.time, 0});
  }
  if (forced) return take(standard, Reason::forced);
  if (usable.size() == 1) return take(standard, Reason::only_candidate);
  if (state != ProfileState::trusted) return take(standard, Reason::default_unprofiled);
  if (incumbent == all.size() || timed.size() < 2)
    return take(standard, out_of_range ? Reason::default_out_of_range : Reason::default_unmeasured);

  auto chosen = choose_by_time(contenders, incumbent);
  if (chosen != incumbent) {  // the fastest; others as fast may need less memory
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (contenders[i].time.log_seconds - contenders[chosen].time.log_seconds > std::log(kSwitchRatio))
        continue;
      p.mechanism = all[timed[i]].mechanism;
      contenders[i].workspace_bytes = static_cast<double>(all[timed[i]].kernel->workspace_bytes(p, device));
    }
    chosen = choose_by_time(contenders, incumbent);
  }
  auto other = incumbent;
  if (chosen == incumbent) {  // the fastest of the rest
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (i == incumbent) continue;
      if (other == incumbent || contenders[i].time.log_seconds < contenders[other].time.log_seconds)
        other = i;
    }
  }
  std::size_t fastest = chosen;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].time.log_seconds < contenders[fastest].time.log_seconds) fastest = i;
  }
  const auto ratio = ratio_of(contenders[other].time, contenders[chosen].time);
  because.other = all[timed[other]].kernel;
  because.other_mechanism = all[timed[other]].mechanism;
  because.ratio = ratio.ratio;
  because.ratio_low = ratio.low;
  because.ratio_high = ratio.high;
  if (chosen == incumbent)
    return take(timed[chosen], fastest == chosen ? Reason::default_fastest : Reason::default_stays);
  return take(timed[chosen], fastest == chosen ? Reason::faster : Reason::less_memory);
}

Dispatcher::Dispatcher(const Device& device, const Policy& policy)
    : impl_(std::make_unique<Impl>(device, policy)) {}
Dispatcher::~Dispatcher() = default;

Decision Dispatcher::choose(const Problem& problem, std::span<const Mechanism> allowed) const {
  if (allowed.size() > kMostAllowed)
    throw InputError("allowed", fmt::format("{} mechanisms", allowed.size()),
                     fmt::format("are more than {}", kMostAllowed));
  std::vector<Candidate> all;
  if (!problem.shape.seqlens_kv.empty()) {
    validate(problem);
    return impl_->decide(problem, allowed, all);
  }
  const DecisionKey key(problem, allowed);
  Decision decision;
  if (impl_->remembered.find(key, decision)) return decision;
  validate(problem);
  decision = impl_->decide(problem, allowed, all);
  impl_->remembered.insert(key, decision);
  return decision;
}

std::vector<Candidate> Dispatcher::candidates(const Problem& problem,
                                              std::span<const Mechanism> allowed) const {
  validate(problem);
  std::vector<Candidate> all;
  const auto decision = impl_->decide(problem, allowed, all);
  auto p = problem;
  for (auto& candidate : all) {
    if (!candidate.supported) continue;
    p.mechanism = candidate.mechanism;
    candidate.workspace_bytes = candidate.kernel->workspace_bytes(p, impl_->device);
  }
  const auto rank = [&](const Candidate& c) {
    if (c.kernel == decision.kernel && c.mechanism == decision.mechanism) return 0;
    if (!c.excluded.empty()) return 3;
    return std::isnan(c.seconds) ? 2 : 1;
  };
  std::stable_sort(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    return rank(a) == 1 && a.seconds < b.seconds;
  });
  return all;
}

const Device& Dispatcher::device() const { return impl_->device; }
ProfileState Dispatcher::profile_state() const { return impl_->state; }
const std::string& Dispatcher::profile_problem() const { return impl_->problem; }
const std::string& Dispatcher::certificate_problem() const { return impl_->of_certificate; }

}  // namespace attnbench
