#include "tune/certify.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/error.h"
#include "dispatch/kernel_names.h"
#include "io/files.h"
#include "plan/random.h"
#include "tune/certificate.h"
#include "tune/coverage.h"
#include "tune/rounds.h"
#include "tune/subjects.h"

namespace attnbench {
namespace {

using Clock = Rounds::Clock;

constexpr int kMostRounds = 12;
constexpr double kFewestGroups = 4;
/// Of the time, for drawing, and for the worst once more.
constexpr double kDrawingShare = 0.1, kAgainShare = 0.15;

Clock::time_point in(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// Throws where the environment or the profile makes other choices than those to be certified, or tuning
/// covers nothing of what is to be drawn. What of that it does not cover.
std::vector<std::string> require_certifiable(const CertifyOptions& options, const TunedCoverage& coverage,
                                             Places& places) {
  for (const auto* variable : {"ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"}) {
    if (const auto value = environment_value(variable); !value.empty())
      throw InputError(variable, value, "would change the choices that are to be certified");
  }
  if (coverage.threads().empty()) throw InputError("profile", options.profile, "holds no times");
  const auto& widest = places.at(*coverage.threads().rbegin()).dispatcher;
  if (widest.profile_state() != ProfileState::trusted)
    throw InputError("profile", options.profile, widest.profile_problem());
  std::vector<std::string> lacking;
  for (const auto& mechanism : options.measuring.mechanisms) {
    for (const auto dtype : options.measuring.dtypes) {
      if (auto why = coverage.not_covered(mechanism, dtype); !why.empty()) lacking.push_back(std::move(why));
    }
  }
  if (lacking.size() == options.measuring.mechanisms.size() * options.measuring.dtypes.size())
    throw InputError("profile", options.profile,
                     fmt::format("covers nothing of the mechanisms and element types asked for: {}",
                                 lacking.empty() ? "none" : lacking.front()));
  return lacking;
}

/// The shapes that can be certified; the reasons of the others go to `left_out`.
std::vector<Subject> traffic_subjects(const CertifyOptions& options, const TunedCoverage& coverage,
                                      const std::vector<CertifiedProblem>& known, Places& places,
                                      std::vector<std::string>& left_out) {
  std::vector<Subject> subjects;
  for (const auto& shape : options.traffic) {
    const auto same = [&](const CertifiedProblem& problem) { return problem.held_out == shape; };
    if (std::any_of(known.begin(), known.end(), same)) continue;  // an earlier part has it
    auto why_not = coverage.not_covered(shape.problem, shape.threads);
    if (why_not.empty() && coverage.was_timed(shape.problem))
      why_not = "was timed for tuning: it is not held out";
    if (why_not.empty()) {
      if (auto subject = subject_of(shape, places.at(shape.threads), options.measuring, why_not)) {
        subject->found.of_traffic = true;
        subjects.push_back(std::move(*subject));
        continue;
      }
    }
    left_out.push_back(fmt::format("{}: {}", in_words(shape), why_not));
  }
  return subjects;
}

/// The worst of those measured, to be measured again.
std::vector<Subject*> worst_of(std::vector<Subject>& subjects) {
  std::vector<CertifiedProblem> problems;
  std::vector<Subject*> counted, worst;
  for (auto& subject : subjects) {
    if (subject.found.seconds.empty()) continue;
    problems.push_back(subject.found);
    counted.push_back(&subject);
  }
  if (problems.empty()) return worst;
  for (const auto i : certified(problems).worst) worst.push_back(counted[i]);
  return worst;
}

/// Times of all, and once more of the worst, as many processes as there is time for. How many were planned.
int measure(std::vector<Subject>& drawn, std::vector<Subject>& traffic, Rounds& timing, Clock::time_point end,
            std::uint64_t seed, const std::function<void(const std::string&)>& on_progress) {
  std::vector<Subject*> all;
  double a_round = 0;
  for (auto* subjects : {&drawn, &traffic}) {
    for (auto& subject : *subjects) {
      all.push_back(&subject);
      a_round += subject.expected_seconds * (1 + kProcessStartSeconds / kProcessSeconds);
    }
  }
  const double for_rounds = (1 - kAgainShare) * seconds_to(end);
  const double affordable = std::min(for_rounds / a_round, double{kMostRounds});
  const int rounds = std::max(static_cast<int>(affordable) / 2 * 2, Rounds::kFewest);
  on_progress(fmt::format("{} problems, {} of them traffic, in {} rounds of {:.0f} s", all.size(),
                          traffic.size(), rounds, a_round));
  const auto until = in(for_rounds);
  std::size_t measured = 0;
  for (const auto& group : groups_of(all, std::min(kProcessSeconds, a_round / kFewestGroups), seed)) {
    timing.measure(group, Rounds::kFewest, until);
    for (const auto* subject : group) measured += subject->rounds.size() >= Rounds::kFewest ? 1 : 0;
    if (!timing.failed().empty() || Clock::now() >= until) break;
    on_progress(fmt::format("{} of {} problems measured; {} of {} processes disturbed; {:.0f} s left",
                            measured, all.size(), timing.rejected(), timing.processes(), seconds_to(end)));
  }
  for (int more = Rounds::kFewest; more < rounds && Clock::now() < until; more += 2)
    timing.measure(all, 2, until);
  for (auto* subject : all) {
    if (subject->rounds.size() >= Rounds::kFewest) subject->found.seconds = Rounds::by_kernel(*subject, 0);
  }
  if (!timing.failed().empty()) return rounds;
  auto again = worst_of(drawn);
  for (auto* subject : worst_of(traffic)) again.push_back(subject);
  if (again.empty()) return rounds;
  std::map<Subject*, std::size_t> before;
  for (auto* subject : again) before[subject] = subject->rounds.size();
  on_progress(fmt::format("the worst once more: {} problems", again.size()));
  timing.measure(again, rounds, end);
  for (auto* subject : again) {
    auto times = Rounds::by_kernel(*subject, before[subject]);
    if (times.front().size() >= Rounds::kFewest) subject->found.seconds_again = std::move(times);
  }
  return rounds;
}

/// Why what was measured now says nothing; empty where it does.
std::string noise_after(const Rounds& timing, const std::vector<CertifiedProblem>& drawn,
                        const std::vector<CertifiedProblem>& traffic, bool accepted) {
  if (2 * timing.rejected() > timing.processes())
    return fmt::format("the machine is too noisy to tell: {} of {} processes were disturbed",
                       timing.rejected(), timing.processes());
  if (drawn.empty() && traffic.empty())
    return fmt::format("no problem was measured in {} processes: name a larger budget", Rounds::kFewest);
  for (const auto* some : {&drawn, &traffic}) {
    if (some->empty() || accepted) continue;
    const double apart = certified(*some).regret.half_difference;
    if (apart > kWidestHalfDifference)
      return fmt::format(
          "the machine is too noisy to tell: two halves of the measurements lie {:.1f} % apart, of {:.0f} % "
          "allowed",
          100 * apart, 100 * kWidestHalfDifference);
  }
  return {};
}

}  // namespace

CertifyResult certify(const CertifyOptions& options,
                      const std::function<void(const std::string&)>& on_progress) {
  const auto start = Clock::now();
  const auto end = in(options.measuring.budget_seconds);
  const auto& measuring = options.measuring;
  CertifyResult result;
  const auto refuse = [&](const std::string& why) {
    result.refused = why;
    return std::move(result);
  };
  const auto profile = parse_profile_text(read_text_file(options.profile, "profile"), options.profile);
  const TunedCoverage coverage(profile);
  Places places(options.profile);
  const auto lacking = require_certifiable(options, coverage, places);
  auto earlier = read_certificate(options.earlier);
  result.tuned_threads = coverage.threads();
  result.left_out = earlier.left_out;
  const auto leave_out = [&](const std::string& what) {
    if (std::find(result.left_out.begin(), result.left_out.end(), what) == result.left_out.end())
      result.left_out.push_back(what);
  };
  for (const auto& why : lacking) leave_out("not drawn: " + why);
  if (const auto noise = noise_before(measuring, *coverage.threads().rbegin()))
    return refuse(fmt::format("the machine is too noisy to tell: {}", *noise));

  std::vector<std::string> unusable;
  auto traffic = traffic_subjects(options, coverage, earlier.traffic, places, unusable);
  for (const auto& shape : unusable) leave_out(shape);
  if (!options.traffic.empty() && unusable.size() == options.traffic.size())
    return refuse("no shape of the traffic can be certified");
  DrawRequest request;
  request.count = options.problems - std::min(options.problems, earlier.drawn.size());
  if (request.count == 0 && !certificate_lacks(earlier.drawn, coverage.threads()).empty())
    request.count = held_out_threads(coverage.threads()).size();  // numbers of threads that have none
  request.pool_seconds = kDrawingShare * seconds_to(end);
  request.round_seconds = (1 - kAgainShare - kDrawingShare) * seconds_to(end) / Rounds::kFewest;
  for (const auto& subject : traffic) request.round_seconds -= subject.expected_seconds;
  request.threads = held_out_threads(coverage.threads());
  request.seed = cell_seed(measuring.seed, fmt::format("draw {}", earlier.parts->size()));
  for (const auto& problem : earlier.drawn) request.known.push_back(problem.held_out);
  auto drawing = draw_subjects(request, coverage, places, measuring);
  int not_covered = 0;
  for (const auto& [why, count] : drawing.not_covered) {
    not_covered += count;
    leave_out("not drawn: " + why);
  }
  if (not_covered > 0)
    on_progress(fmt::format("{} draws that tuning did not cover are left out", not_covered));
  auto& drawn = drawing.subjects;
  if (drawn.empty() && traffic.empty())
    return refuse("the budget does not reach for a single problem: name a larger one");

  Rounds timing(measuring, places, on_progress);
  CertificatePart part;
  part.rounds = measure(drawn, traffic, timing, end, measuring.seed, on_progress);
  if (!timing.failed().empty()) return refuse(timing.failed());
  std::size_t short_of = 0;
  for (auto* subjects : {&drawn, &traffic}) {
    for (auto& subject : *subjects) {
      if (subject.found.seconds.empty()) {
        ++short_of;
        continue;
      }
      (subject.found.of_traffic ? result.traffic : result.drawn).push_back(std::move(subject.found));
    }
  }
  const auto noise = noise_after(timing, result.drawn, result.traffic, measuring.accept_noise);
  if (!noise.empty()) return refuse(noise);
  if (short_of > 0)
    leave_out(fmt::format("part {}: {} problems measured in fewer than {} processes",
                          earlier.parts->size() + 1, short_of, Rounds::kFewest));
  part.seed = measuring.seed;
  part.noise_accepted = measuring.accept_noise;
  part.traffic = options.traffic_file;
  part.problems = result.drawn.size() + result.traffic.size();
  part.processes = timing.processes();
  part.rejected = timing.rejected();
  part.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  part.longest_problem_seconds = drawing.longest_seconds;
  earlier.parts->push_back(*to_json(part));
  result.drawn.insert(result.drawn.begin(), earlier.drawn.begin(), earlier.drawn.end());
  result.traffic.insert(result.traffic.begin(), earlier.traffic.begin(), earlier.traffic.end());
  result.noise_accepted = measuring.accept_noise || earlier.noise_accepted;
  result.in_part = certificate_lacks(result.drawn, result.tuned_threads);
  result.certificate = certificate_of(result, earlier.parts, measurements_hash(profile));
  return result;
}

}  // namespace attnbench
