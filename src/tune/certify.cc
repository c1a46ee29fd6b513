#include "tune/certify.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "core/utc.h"
#include "dispatch/kernel_names.h"
#include "io/files.h"
#include "io/json.h"
#include "plan/budget.h"
#include "plan/random.h"
#include "run/environment/libraries.h"
#include "tune/measuring.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFewestRounds = 4, kMostRounds = 12;
constexpr double kWidestHalfDifference = 0.05;
/// Of the time, for the worst once more.
constexpr double kAgainShare = 0.15;
/// A process measures so long: one that is disturbed costs no more.
constexpr double kProcessSeconds = 15;
constexpr double kProcessStartSeconds = 0.3;
constexpr TimingEffort kEffort{.blocks = 2, .warm_up_calls = 5, .warm_up_seconds = 0.05};

/// A problem while it is measured.
struct Subject {
  CertifiedProblem found;
  std::vector<ExpectedCall> calls;  ///< of found.kernels
  double expected_seconds = 0;      ///< of one process
  /// By process that counted, the times of found.kernels.
  std::vector<std::vector<double>> rounds;
};

class Certifying {
 public:
  Certifying(const CertifyOptions& options, const std::function<void(const std::string&)>& on_progress)
      : options_(options), on_progress_(on_progress), end_(in(options.measuring.budget_seconds)) {}

  CertifyResult run();

 private:
  static Clock::time_point in(double seconds) {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  static double seconds_to(Clock::time_point end) {
    return std::chrono::duration<double>(end - Clock::now()).count();
  }

  /// A device and its dispatcher, for so many threads.
  struct Place {
    Place(int threads, const std::string& profile)
        : device(cpu_device(threads)), dispatcher(device, {.profile = profile}) {}
    CpuDevice device;
    Dispatcher dispatcher;
  };
  const Place& place(int threads) {
    auto& found = places_[threads];
    if (!found) found = std::make_unique<Place>(threads, options_.profile);
    return *found;
  }

  std::optional<Subject> subject_of(const HeldOutProblem& held_out, std::string& why_not);
  std::string draw(const CostProfile& profile, std::size_t rounds_of_traffic);
  void measure(std::vector<Subject*> subjects, int rounds, Clock::time_point until);
  bool measure_process(const std::vector<Subject*>& chunk, Clock::time_point until);
  std::vector<Subject*> worst();
  static std::vector<std::vector<double>> by_kernel(const Subject& subject, std::size_t from);

  const CertifyOptions& options_;
  const std::function<void(const std::string&)>& on_progress_;
  const Clock::time_point end_;
  std::map<int, std::unique_ptr<Place>> places_;
  std::vector<Subject> drawn_, traffic_;
  double longest_ = 0;  ///< expected seconds of a problem in a process, at most
  CertifyResult result_;
};

/// With what is expected of its kernels; nothing, and why, where it cannot be timed or leaves no choice.
std::optional<Subject> Certifying::subject_of(const HeldOutProblem& held_out, std::string& why_not) {
  const auto& measuring = options_.measuring;
  const auto& problem = held_out.problem;
  if (measuring.memory_bytes > 0 && tensor_bytes(problem) > measuring.memory_bytes / 2) {
    why_not = fmt::format("its tensors are {} bytes", tensor_bytes(problem));
    return std::nullopt;
  }
  const auto& [device, dispatcher] = place(held_out.threads);
  const auto decision = dispatcher.choose(problem);
  Subject subject;
  subject.found.held_out = held_out;
  std::int64_t workspaces = 0;
  for (const auto& candidate : dispatcher.candidates(problem)) {
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
  subject.expected_seconds = cell_seconds(problem, subject.calls, kEffort);
  return subject;
}

/// As many problems as asked for, out of more that are drawn once: the first that are no longer than so many
/// times their share of the budget, or shorter ones. Why not, where there are none.
std::string Certifying::draw(const CostProfile& profile, std::size_t rounds_of_traffic) {
  constexpr double kMostShares = 4, kShorter = 0.8, kDrawingShare = 0.1;
  constexpr std::size_t kPoolOfEach = 6;
  double of_traffic = 0;
  for (const auto& subject : traffic_) of_traffic += subject.expected_seconds;
  const auto count = static_cast<std::size_t>(options_.problems);
  const auto drawn_by = in(kDrawingShare * seconds_to(end_));
  HeldOutDraw draw(options_.measuring.mechanisms, options_.measuring.dtypes, held_out_threads(profile),
                   options_.measuring.seed);
  std::vector<Subject> pool;
  while (pool.size() < kPoolOfEach * count && Clock::now() < drawn_by) {
    const auto next = draw.next();
    const auto same = [&](const Subject& subject) { return subject.found.held_out == next; };
    if (was_measured(profile, next.problem) || std::any_of(pool.begin(), pool.end(), same)) continue;
    std::string why_not;
    if (auto subject = subject_of(next, why_not)) pool.push_back(std::move(*subject));
  }
  if (pool.size() < count)
    return fmt::format("a tenth of the budget found {} of {} problems that leave a choice: name a larger one",
                       pool.size(), count);
  const std::string too_small = "the budget does not reach for so many problems: name a larger one";
  const double a_round =
      (1 - kAgainShare) * seconds_to(end_) / static_cast<double>(rounds_of_traffic) - of_traffic;
  if (a_round <= 0) return too_small;
  if (count == 0) return {};
  for (longest_ = kMostShares * a_round / static_cast<double>(count);; longest_ *= kShorter) {
    std::vector<const Subject*> chosen;
    double expected = 0;
    for (const auto& subject : pool) {
      if (chosen.size() == count || subject.expected_seconds > longest_) continue;
      expected += subject.expected_seconds * (1 + kProcessStartSeconds / kProcessSeconds);
      chosen.push_back(&subject);
    }
    if (chosen.size() < count) return too_small;
    if (expected > a_round) continue;
    for (const auto* subject : chosen) drawn_.push_back(*subject);
    return {};
  }
}

/// One worker's life. True where it counts.
bool Certifying::measure_process(const std::vector<Subject*>& chunk, Clock::time_point until) {
  const int threads = chunk.front()->found.held_out.threads;
  const auto& device = place(threads).device;
  const auto seed = cell_seed(options_.measuring.seed, fmt::format("certify {}", result_.processes));
  std::vector<std::vector<double>> times(chunk.size());
  const auto life = run_worker(
      options_.measuring, device, threads, seed, [&](WorkerProcess& worker, std::vector<double>& sentinel) {
        for (std::size_t i = 0; i < chunk.size() && Clock::now() < until; ++i) {
          const auto& subject = *chunk[i];
          const auto found = time_cell(
              worker, device, {subject.found.held_out.problem, threads, subject.calls, kEffort, seed + i},
              options_.measuring.memory_bytes, sentinel);
          if (found.size() != subject.calls.size()) continue;  // some do not fit into memory now
          for (const auto& call : subject.calls) times[i].push_back(found.at(call.kernel));
        }
      });
  if (!life.lost_kernel.empty()) {
    result_.refused =
        fmt::format("{} failed while it was timed ({}): tune again", life.lost_kernel, life.lost_reason);
    return false;
  }
  ++result_.processes;
  if (life.disturbed) {
    ++result_.rejected;
    on_progress_(fmt::format("process {} counts for nothing: {}", result_.processes, *life.disturbed));
    return false;
  }
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (!times[i].empty()) chunk[i]->rounds.push_back(std::move(times[i]));
  }
  return true;
}

/// So many more processes for each, or as many as there is time for. Each round is in chunks of another
/// random order; a disturbed one is measured once more at the end of its round.
void Certifying::measure(std::vector<Subject*> subjects, int rounds, Clock::time_point until) {
  SplitMix64 random(cell_seed(options_.measuring.seed, "order"));
  for (int round = 0; round < rounds && result_.refused.empty() && Clock::now() < until; ++round) {
    std::map<int, std::vector<std::vector<Subject*>>> by_threads;
    std::map<int, double> filled;
    for (const auto i : random_permutation(static_cast<int>(subjects.size()), random)) {
      auto* subject = subjects[static_cast<std::size_t>(i)];
      const int threads = subject->found.held_out.threads;
      auto& chunks = by_threads[threads];
      if (chunks.empty() || filled[threads] + subject->expected_seconds > kProcessSeconds) {
        chunks.emplace_back();
        filled[threads] = 0;
      }
      chunks.back().push_back(subject);
      filled[threads] += subject->expected_seconds;
    }
    std::vector<std::vector<Subject*>> disturbed;
    const auto measure_all = [&](const std::vector<std::vector<Subject*>>& chunks, bool again) {
      for (const auto& chunk : chunks) {
        double expected = kProcessStartSeconds;
        for (const auto* subject : chunk) expected += subject->expected_seconds;
        if (seconds_to(until) < expected / 2 || !result_.refused.empty()) return;
        if (!measure_process(chunk, until) && !again) disturbed.push_back(chunk);
      }
    };
    for (const auto& [threads, chunks] : by_threads) measure_all(chunks, false);
    measure_all(disturbed, true);
    on_progress_(fmt::format("round {} of {}: {} processes, {} disturbed; {:.0f} s left", round + 1, rounds,
                             result_.processes, result_.rejected, seconds_to(end_)));
  }
}

/// Times from the process `from` on, an even number of them.
std::vector<std::vector<double>> Certifying::by_kernel(const Subject& subject, std::size_t from) {
  const auto count = from > subject.rounds.size() ? 0 : (subject.rounds.size() - from) / 2 * 2;
  std::vector<std::vector<double>> times(subject.calls.size());
  for (std::size_t round = from; round < from + count; ++round) {
    for (std::size_t k = 0; k < times.size(); ++k) times[k].push_back(subject.rounds[round][k]);
  }
  return times;
}

nlohmann::json times_json(const CertifiedProblem& problem, const std::vector<std::vector<double>>& seconds) {
  auto out = nlohmann::json::object();
  for (std::size_t k = 0; k < seconds.size(); ++k) out[problem.kernels[k]] = seconds[k];
  return out;
}

nlohmann::json problem_json(const CertifiedProblem& problem) {
  const auto regret = stats::regret_of(problem.regret_case());
  nlohmann::json out = {{"shapes", problem.of_traffic ? "traffic" : "drawn"},
                        {"problem", to_json(problem.held_out.problem)},
                        {"threads", problem.held_out.threads},
                        {"weight", problem.held_out.weight},
                        {"chosen", problem.kernels[problem.chosen]},
                        {"default", problem.kernels[problem.standard]},
                        {"regret", std::expm1(regret.cross_fitted)},
                        {"naive_regret", std::expm1(regret.naive)},
                        {"seconds", times_json(problem, problem.seconds)}};
  if (!problem.seconds_again.empty()) {
    out["regret_again"] = std::expm1(stats::regret_of(problem.regret_case_again()).cross_fitted);
    out["seconds_again"] = times_json(problem, problem.seconds_again);
  }
  return out;
}

nlohmann::json interval_json(const stats::Interval& interval) {
  const auto bound = [](double value) -> nlohmann::json {
    if (!std::isfinite(value)) return nullptr;
    return value;
  };
  return {{"estimate", interval.estimate}, {"low", bound(interval.low)}, {"high", bound(interval.high)}};
}

nlohmann::json summary_json(const std::string& shapes, const std::vector<CertifiedProblem>& problems) {
  const auto all = certified(problems);
  const auto count = static_cast<double>(problems.size());
  return {{"shapes", shapes},
          {"problems", problems.size()},
          {"regret", interval_json(all.regret.cross_fitted)},
          {"naive_regret", all.regret.naive},
          {"shown_ratio", kShownRatio},
          {"shown_faster", all.regret.shown.size()},
          {"shown_faster_share", static_cast<double>(all.regret.shown.size()) / count},
          {"not_the_default", all.other_choices},
          {"slower_than_default", all.slower_than_default.size()},
          {"fixed_choices", {all.fixed[all.gain.best[0]], all.fixed[all.gain.best[1]]}},
          {"gain_over_fixed", interval_json(all.gain.ratio)},
          {"half_difference", all.regret.half_difference}};
}

/// The worst of either kind, to be measured again.
std::vector<Subject*> Certifying::worst() {
  std::vector<Subject*> all;
  for (auto* subjects : {&drawn_, &traffic_}) {
    std::vector<CertifiedProblem> problems;
    std::vector<Subject*> counted;
    for (auto& subject : *subjects) {
      if (subject.found.seconds.empty()) continue;
      problems.push_back(subject.found);
      counted.push_back(&subject);
    }
    if (problems.empty()) continue;
    for (const auto i : certified(problems).worst) all.push_back(counted[i]);
  }
  return all;
}

CertifyResult Certifying::run() {
  const auto profile = parse_profile_text(read_text_file(options_.profile, "profile"), options_.profile);
  for (const auto* variable : {"ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"}) {
    if (const auto value = environment_value(variable); !value.empty())
      throw InputError(variable, value, "would change the choices that are to be certified");
  }
  const auto threads = held_out_threads(profile);
  if (threads.empty()) throw InputError("profile", options_.profile, "holds no times");
  const auto& widest = place(threads.back()).dispatcher;
  if (widest.profile_state() != ProfileState::trusted)
    throw InputError("profile", options_.profile, widest.profile_problem());
  if (const auto noise = noise_before(options_.measuring, threads.back())) {
    result_.refused = fmt::format("the machine is too noisy to tell: {}", *noise);
    return std::move(result_);
  }
  for (const auto& shape : options_.traffic) {
    std::string why_not;
    if (auto subject = subject_of(shape, why_not)) {
      subject->found.of_traffic = true;
      traffic_.push_back(std::move(*subject));
    } else {
      result_.left_out.push_back(fmt::format("{}: {}", in_words(shape), why_not));
    }
  }
  if (!options_.traffic.empty() && traffic_.empty()) {
    result_.refused = "no shape of the traffic could be timed";
    return std::move(result_);
  }
  const auto start = Clock::now();
  result_.refused = draw(profile, kFewestRounds);
  if (!result_.refused.empty()) return std::move(result_);
  std::vector<Subject*> all;
  double a_round = 0;
  for (auto* subjects : {&drawn_, &traffic_}) {
    for (auto& subject : *subjects) {
      all.push_back(&subject);
      a_round += subject.expected_seconds * (1 + kProcessStartSeconds / kProcessSeconds);
    }
  }
  const double for_rounds = (1 - kAgainShare) * seconds_to(end_);
  const int rounds = std::clamp(static_cast<int>(for_rounds / a_round) / 2 * 2, kFewestRounds, kMostRounds);
  on_progress_(fmt::format("{} problems, {} of them traffic, on {} threads at most, in {} rounds of {:.0f} s",
                           all.size(), traffic_.size(), threads.back(), rounds, a_round));
  measure(all, rounds, in(for_rounds));
  const auto take = [&](Subject& subject) {
    if (subject.rounds.size() >= kFewestRounds) subject.found.seconds = by_kernel(subject, 0);
  };
  for (auto* subject : all) take(*subject);
  if (result_.refused.empty()) {
    const auto again = worst();
    std::map<Subject*, std::size_t> before;
    for (auto* subject : again) before[subject] = subject->rounds.size();
    measure(again, rounds, end_);
    for (auto* subject : again) {
      auto times = by_kernel(*subject, before[subject]);
      if (times.front().size() >= kFewestRounds) subject->found.seconds_again = std::move(times);
    }
  }
  if (!result_.refused.empty()) return std::move(result_);

  std::size_t short_of = 0;
  for (auto* subject : all) {
    if (subject->found.seconds.empty()) {
      ++short_of;
      continue;
    }
    (subject->found.of_traffic ? result_.traffic : result_.drawn).push_back(subject->found);
  }
  if (2 * result_.rejected > result_.processes) {
    result_.refused = fmt::format("the machine is too noisy to tell: {} of {} processes were disturbed",
                                  result_.rejected, result_.processes);
  } else if (short_of > 0) {
    result_.refused = fmt::format(
        "{} of {} problems were measured in fewer than {} processes: the machine is too noisy, "
        "or the budget too small",
        short_of, all.size(), kFewestRounds);
  }
  if (!result_.refused.empty()) return std::move(result_);
  auto summaries = nlohmann::json::array();
  auto problems = nlohmann::json::array();
  for (const auto* some : {&result_.drawn, &result_.traffic}) {
    if (some->empty()) continue;
    const bool of_traffic = some->front().of_traffic;
    summaries.push_back(summary_json(of_traffic ? "traffic" : "drawn", *some));
    const double apart = summaries.back().at("half_difference").get<double>();
    if (apart > kWidestHalfDifference && !options_.measuring.accept_noise)
      result_.refused = fmt::format(
          "the machine is too noisy to tell: two halves of the measurements lie {:.1f} % apart, of {:.0f} % "
          "allowed",
          100 * apart, 100 * kWidestHalfDifference);
    for (const auto& problem : *some) problems.push_back(problem_json(problem));
  }
  if (!result_.refused.empty()) return std::move(result_);
  auto versions = nlohmann::json::object();
  for (const auto& [library, version] : library_versions()) versions[library] = version;
  result_.certificate =
      nlohmann::json{{"measurements", measurements_hash(profile)},
                     {"measured_utc", now_utc()},
                     {"libraries", versions},
                     {"seed", options_.measuring.seed},
                     {"threads", threads},
                     {"traffic", options_.traffic_file},
                     {"left_out", result_.left_out},
                     {"rounds", rounds},
                     {"processes", result_.processes},
                     {"rejected", result_.rejected},
                     {"seconds", std::chrono::duration<double>(Clock::now() - start).count()},
                     {"longest_problem_seconds", longest_},
                     {"summaries", summaries},
                     {"problems", problems}};
  return std::move(result_);
}

}  // namespace

CertifyResult certify(const CertifyOptions& options,
                      const std::function<void(const std::string&)>& on_progress) {
  return Certifying(options, on_progress).run();
}

namespace {

std::string percent(const stats::Interval& interval) {
  return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", 100 * interval.estimate, 100 * interval.low,
                     100 * interval.high);
}

std::string table_of(const std::string& title, const std::vector<CertifiedProblem>& problems) {
  const auto all = certified(problems);
  const auto share = [&](std::size_t count) {
    return fmt::format("{} of {} ({:.1f} %)", count, problems.size(),
                       100.0 * static_cast<double>(count) / static_cast<double>(problems.size()));
  };
  std::string text = fmt::format("{}\n\n| of {} problems | |\n|---|---|\n", title, problems.size());
  const auto row = [&](const std::string& what, const std::string& value) {
    text += fmt::format("| {} | {} |\n", what, value);
  };
  row("mean regret, cross-fitted", percent(all.regret.cross_fitted));
  row("mean regret, naive", fmt::format("{:.2f} %", 100 * all.regret.naive));
  row(fmt::format("another kernel shown to be more than {:.0f} % faster", 100 * (kShownRatio - 1)),
      share(all.regret.shown.size()));
  row("another than the default chosen", share(all.other_choices));
  row("shown to be slower than the default", share(all.slower_than_default.size()));
  const auto& [even, odd] = all.gain.best;
  const auto fixed = even == odd ? all.fixed[even] : all.fixed[even] + " or " + all.fixed[odd];
  const auto& ratio = all.gain.ratio;
  row("time of the best single choice, " + fixed + ", over that of the chosen kernels",
      fmt::format("{:.3f} [{:.3f}, {:.3f}]", ratio.estimate, ratio.low, ratio.high));
  row("two halves of the measurements apart, median",
      fmt::format("{:.2f} %", 100 * all.regret.half_difference));
  text += "\n| worst problems | chosen | best | regret | again |\n|---|---|---|---|---|\n";
  for (const auto i : all.worst) {
    const auto& problem = problems[i];
    const auto sum = [&](std::size_t k) {
      double logs = 0;
      for (const double seconds : problem.seconds[k]) logs += std::log(seconds);
      return logs;
    };
    std::size_t best = 0;
    for (std::size_t k = 1; k < problem.kernels.size(); ++k) {
      if (sum(k) < sum(best)) best = k;
    }
    const auto regret = [](const stats::RegretCase& times) {
      return fmt::format("{:.1f} %", 100 * std::expm1(stats::regret_of(times).cross_fitted));
    };
    text += fmt::format("| {} | {} | {} | {} | {} |\n", in_words(problem.held_out),
                        problem.kernels[problem.chosen], problem.kernels[best], regret(problem.regret_case()),
                        problem.seconds_again.empty() ? "-" : regret(problem.regret_case_again()));
  }
  return text;
}

}  // namespace

std::string in_words(const CertifyResult& result) {
  std::string text;
  if (!result.drawn.empty())
    text += table_of("Drawn over the ranges of tuning, none of them used for it:", result.drawn);
  if (!result.traffic.empty()) {
    if (!text.empty()) text += "\n";
    text += table_of("The traffic given, by its weights:", result.traffic);
  }
  for (const auto& shape : result.left_out) text += fmt::format("left out: {}\n", shape);
  return text;
}

}  // namespace attnbench
