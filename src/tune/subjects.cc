#include "tune/subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "dispatch/kernel_names.h"
#include "plan/budget.h"

namespace attnbench {

const Places::Place& Places::at(int threads) {
  auto& found = places_[threads];
  if (!found) found = std::make_unique<Place>(threads, profile_);
  return *found;
}

std::optional<Subject> subject_of(const HeldOutProblem& held_out, const Places::Place& place,
                                  const TuneOptions& measuring, std::string& why_not) {
  const auto& problem = held_out.problem;
  if (measuring.memory_bytes > 0 && tensor_bytes(problem) > measuring.memory_bytes / 2) {
    why_not = fmt::format("its tensors are {} bytes", tensor_bytes(problem));
    return std::nullopt;
  }
  const auto decision = place.dispatcher.choose(problem);
  Subject subject;
  subject.found.held_out = held_out;
  std::int64_t workspaces = 0;
  for (const auto& candidate : place.dispatcher.candidates(problem)) {
    if (!candidate.excluded.empty()) continue;
    auto& found = subject.found;
    if (candidate.kernel == decision.kernel) found.chosen = found.kernels.size();
    if (candidate.is_default) found.standard = found.kernels.size();
    found.kernels.push_back(name_of(*candidate.kernel));
    const double seconds =
        std::isnan(candidate.seconds) ? nominal_seconds(problem, held_out.threads) : candidate.seconds;
    if (seconds > measuring.call_limit_seconds) {
      why_not = fmt::format("a call of {} is expected to take {:.2g} s", found.kernels.back(), seconds);
      return std::nullopt;
    }
    subject.calls.push_back({candidate.kernel, seconds});
    workspaces += candidate.workspace_bytes + output_bytes(problem);
  }
  if (subject.calls.size() < 2) {
    why_not = "leaves no choice";
    return std::nullopt;
  }
  if (measuring.memory_bytes > 0 && workspaces > measuring.memory_bytes / 2) {
    why_not = fmt::format("its kernels need {} bytes", workspaces);
    return std::nullopt;
  }
  subject.expected_seconds = cell_seconds(problem, subject.calls, kCertifyEffort);
  return subject;
}

namespace {

std::vector<Subject> pool_of(const DrawRequest& request, const TunedCoverage& coverage, Places& places,
                             const TuneOptions& measuring, std::map<std::string, int>& not_covered) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kPoolOfEach = 6;
  const auto end = Clock::now() + std::chrono::duration<double>(request.pool_seconds);
  HeldOutDraw draw(measuring.mechanisms, measuring.dtypes, request.threads, request.seed);
  std::vector<Subject> pool;
  while (pool.size() < kPoolOfEach * request.count && Clock::now() < end) {
    const auto next = draw.next();
    if (const auto why = coverage.not_covered(next.problem, next.threads); !why.empty()) {
      ++not_covered[why];
      continue;
    }
    const auto same = [&](const Subject& subject) { return subject.found.held_out == next; };
    if (coverage.was_timed(next.problem) || std::any_of(pool.begin(), pool.end(), same) ||
        std::find(request.known.begin(), request.known.end(), next) != request.known.end())
      continue;
    std::string why_not;
    if (auto subject = subject_of(next, places.at(next.threads), measuring, why_not))
      pool.push_back(std::move(*subject));
  }
  return pool;
}

/// The first of the pool that take at most so long each, as many as the round reaches for.
std::vector<const Subject*> first_of(const std::vector<Subject>& pool, std::size_t count, double longest,
                                     double round_seconds) {
  std::vector<const Subject*> chosen;
  double expected = 0;
  for (const auto& subject : pool) {
    if (chosen.size() == count || subject.expected_seconds > longest) continue;
    const double seconds = subject.expected_seconds * (1 + kProcessStartSeconds / kProcessSeconds);
    if (expected + seconds > round_seconds) break;
    expected += seconds;
    chosen.push_back(&subject);
  }
  return chosen;
}

}  // namespace

DrawnSubjects draw_subjects(const DrawRequest& request, const TunedCoverage& coverage, Places& places,
                            const TuneOptions& measuring) {
  constexpr double kMostShares = 4, kShorter = 0.8;
  DrawnSubjects drawn;
  if (request.count == 0 || request.round_seconds <= 0) return drawn;
  const auto pool = pool_of(request, coverage, places, measuring, drawn.not_covered);
  const double longest = kMostShares * request.round_seconds / static_cast<double>(request.count);
  const auto count = std::min(request.count, pool.size());
  const auto able = [&](double limit) {
    return static_cast<std::size_t>(std::count_if(
        pool.begin(), pool.end(), [&](const Subject& subject) { return subject.expected_seconds <= limit; }));
  };
  std::vector<const Subject*> chosen;
  drawn.longest_seconds = longest;
  for (double limit = longest; able(limit) >= count; limit *= kShorter) {
    auto some = first_of(pool, count, limit, request.round_seconds);
    if (some.size() < count) continue;
    drawn.longest_seconds = limit;
    chosen = std::move(some);
    break;
  }
  if (chosen.empty()) chosen = first_of(pool, count, longest, request.round_seconds);
  for (const auto* subject : chosen) drawn.subjects.push_back(*subject);
  return drawn;
}

}  // namespace attnbench
