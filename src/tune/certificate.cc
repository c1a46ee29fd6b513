#include "tune/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/error.h"
#include "core/utc.h"
#include "dispatch/cost_model.h"
#include "dispatch/profile.h"
#include "io/json.h"
#include "run/environment/libraries.h"

namespace attnbench {
namespace {

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
          {"naive_regret", interval_json(all.regret.naive)},
          {"shown_ratio", kShownRatio},
          {"shown_faster", all.regret.shown.size()},
          {"shown_faster_share", static_cast<double>(all.regret.shown.size()) / count},
          {"not_the_default", all.other_choices},
          {"slower_than_default", all.slower_than_default.size()},
          {"gain_over_default", interval_json(all.gain_over_default)},
          {"fixed_choices", {all.fixed[all.gain.best[0]], all.fixed[all.gain.best[1]]}},
          {"gain_over_fixed", interval_json(all.gain.ratio)},
          {"half_difference", all.regret.half_difference}};
}

/// How many problems on each number of threads.
std::map<int, std::size_t> by_threads(const std::vector<CertifiedProblem>& problems,
                                      const std::set<int>& tuned) {
  std::map<int, std::size_t> counts;
  for (const int threads : tuned) counts[threads] = 0;
  for (const auto& problem : problems) ++counts[problem.held_out.threads];
  return counts;
}

std::vector<std::vector<double>> read_times(const nlohmann::json& in, const char* field,
                                            const std::vector<std::string>& kernels) {
  std::vector<std::vector<double>> times;
  const auto& all = field_of(in, field);
  for (const auto& kernel : kernels) {
    auto& of_kernel = times.emplace_back();
    read_list(all, kernel.c_str(),
              [&](const nlohmann::json& time) { of_kernel.push_back(json_value<double>(time, field)); });
    const auto wrong = [](double time) { return !(time > 0) || !std::isfinite(time); };
    if (of_kernel.size() < 2 || of_kernel.size() != times.front().size() ||
        std::any_of(of_kernel.begin(), of_kernel.end(), wrong))
      throw InputError(field, kernel, "has times that are none, or not those of the other kernels");
  }
  return times;
}

CertifiedProblem read_problem(const nlohmann::json& in) {
  CertifiedProblem problem;
  problem.held_out = {problem_from_json(field_of(in, "problem")), read_field<int>(in, "threads"),
                      read_field<double>(in, "weight")};
  validate(problem.held_out.problem);
  problem.of_traffic = read_field<std::string>(in, "shapes") == "traffic";
  const auto& seconds = field_of(in, "seconds");
  if (!seconds.is_object()) throw InputError("seconds", json_text(seconds), "is no object");
  for (const auto& [kernel, times] : seconds.items()) problem.kernels.push_back(kernel);
  const auto index = [&](const char* field) {
    const auto name = read_field<std::string>(in, field);
    const auto found = std::find(problem.kernels.begin(), problem.kernels.end(), name);
    if (found == problem.kernels.end()) throw InputError(field, name, "is none of the kernels timed");
    return static_cast<std::size_t>(found - problem.kernels.begin());
  };
  problem.chosen = index("chosen");
  problem.standard = index("default");
  problem.seconds = read_times(in, "seconds", problem.kernels);
  if (in.contains("seconds_again")) problem.seconds_again = read_times(in, "seconds_again", problem.kernels);
  return problem;
}

}  // namespace

JsonDocument to_json(const CertificatePart& part) {
  auto libraries = nlohmann::json::object();
  for (const auto& [library, version] : library_versions()) libraries[library] = version;
  return nlohmann::json{{"measured_utc", now_utc()},
                        {"libraries", libraries},
                        {"seed", part.seed},
                        {"noise_accepted", part.noise_accepted},
                        {"traffic", part.traffic},
                        {"problems", part.problems},
                        {"rounds", part.rounds},
                        {"processes", part.processes},
                        {"rejected", part.rejected},
                        {"seconds", part.seconds},
                        {"longest_problem_seconds", part.longest_problem_seconds}};
}

EarlierCertificate read_certificate(const JsonDocument& certificate) {
  EarlierCertificate earlier;
  earlier.parts = nlohmann::json::array();
  if (certificate->is_null()) return earlier;
  if (const auto problem = certificate_problem(certificate); !problem.empty())
    throw InputError(fmt::format("a certificate in part is not gone on with: {}; remove it", problem));
  const auto& in = *certificate;
  earlier.noise_accepted = read_field<bool>(in, "noise_accepted");
  earlier.left_out = read_field<std::vector<std::string>>(in, "left_out");
  read_list(in, "parts", [&](const nlohmann::json& part) { earlier.parts->push_back(part); });
  read_list(in, "problems", [&](const nlohmann::json& entry) {
    auto problem = read_problem(entry);
    (problem.of_traffic ? earlier.traffic : earlier.drawn).push_back(std::move(problem));
  });
  return earlier;
}

std::string certificate_lacks(const std::vector<CertifiedProblem>& drawn,
                              const std::set<int>& tuned_threads) {
  if (drawn.size() < kCertifiedProblems)
    return fmt::format("{} of {} held-out problems were measured", drawn.size(), kCertifiedProblems);
  for (const auto& [threads, count] : by_threads(drawn, tuned_threads)) {
    if (count == 0)
      return fmt::format("no held-out problem was measured on {} threads, which were tuned", threads);
  }
  return {};
}

JsonDocument certificate_of(const CertifyResult& result, const JsonDocument& parts,
                            const std::string& measurements) {
  auto threads = nlohmann::json::array();
  for (const auto& [count, problems] : by_threads(result.drawn, result.tuned_threads))
    threads.push_back(
        {{"threads", count}, {"tuned", result.tuned_threads.contains(count)}, {"problems", problems}});
  auto summaries = nlohmann::json::array();
  auto problems = nlohmann::json::array();
  for (const auto* some : {&result.drawn, &result.traffic}) {
    if (some->empty()) continue;
    summaries.push_back(summary_json(some->front().of_traffic ? "traffic" : "drawn", *some));
    for (const auto& problem : *some) problems.push_back(problem_json(problem));
  }
  return nlohmann::json{{"measurements", measurements},
                        {"rule", kChoosingRule},
                        {"certified", result.in_part.empty()},
                        {"lacks", result.in_part},
                        {"required_problems", kCertifiedProblems},
                        {"held_out_problems", result.drawn.size()},
                        {"noise_accepted", result.noise_accepted},
                        {"threads", threads},
                        {"left_out", result.left_out},
                        {"parts", *parts},
                        {"summaries", summaries},
                        {"problems", problems}};
}

namespace {

std::string percent(const stats::Interval& interval) {
  if (!interval.is_bounded()) return fmt::format("{:.2f} % [not known]", 100 * interval.estimate);
  return fmt::format("{:.2f} % [{:.2f}, {:.2f}]", 100 * interval.estimate, 100 * interval.low,
                     100 * interval.high);
}

std::string ratio_in_words(const stats::Interval& ratio) {
  if (!ratio.is_bounded()) return fmt::format("{:.3f} [not known]", ratio.estimate);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", ratio.estimate, ratio.low, ratio.high);
}

std::size_t best_of(const CertifiedProblem& problem) {
  const auto times = problem.regret_case().log_seconds;
  std::size_t best = 0;
  for (std::size_t k = 1; k < times.size(); ++k) {
    if (stats::mean(times[k]) < stats::mean(times[best])) best = k;
  }
  return best;
}

std::string regret_in_words(const stats::RegretCase& times) {
  return fmt::format("{:.1f} %", 100 * std::expm1(stats::regret_of(times).cross_fitted));
}

std::string summary_in_words(const std::vector<CertifiedProblem>& problems) {
  const auto all = certified(problems);
  std::string text;
  const auto row = [&](const std::string& what, const std::string& value) {
    text += fmt::format("  {:<46}  {}\n", what, value);
  };
  const auto share = [&](std::size_t count) {
    return fmt::format("{} of {} ({:.1f} %)", count, problems.size(),
                       100.0 * static_cast<double>(count) / static_cast<double>(problems.size()));
  };
  row("mean regret, cross-fitted", percent(all.regret.cross_fitted));
  row("mean regret, naive", percent(all.regret.naive));
  row(fmt::format("another kernel shown to be > {:.0f} % faster", 100 * (kShownRatio - 1)),
      share(all.regret.shown.size()));
  row("another than the default chosen", share(all.other_choices));
  row("shown to be slower than the default", share(all.slower_than_default.size()));
  row("time of the default / of the choice", ratio_in_words(all.gain_over_default));
  row("time of the best single choice / of the choice", ratio_in_words(all.gain.ratio));
  row("two halves of the measurements apart, median",
      fmt::format("{:.2f} %", 100 * all.regret.half_difference));
  const auto& [even, odd] = all.gain.best;
  text += fmt::format("  The best single choice: {}\n",
                      even == odd ? all.fixed[even] : all.fixed[even] + " or " + all.fixed[odd]);
  std::string worst;
  for (const auto i : all.worst) {
    const auto& problem = problems[i];
    const auto best = best_of(problem);
    if (best == problem.chosen) continue;
    worst += fmt::format("    {}\n      {}, again {}: {}, not {}\n", in_words(problem.held_out),
                         regret_in_words(problem.regret_case()),
                         problem.seconds_again.empty() ? "-" : regret_in_words(problem.regret_case_again()),
                         problem.kernels[problem.chosen], problem.kernels[best]);
  }
  if (!worst.empty()) text += "  Worst, regret and once more in other processes:\n" + worst;
  return text;
}

}  // namespace

std::string in_words(const CertifyResult& result) {
  std::string text = result.in_part.empty()
                         ? fmt::format("Certified on {} held-out problems", result.drawn.size())
                         : fmt::format("Not certified: {}", result.in_part);
  text += "\n";
  if (result.noise_accepted)
    text += "Noise was accepted: times may hold what other programs did to this machine.\n";
  if (!result.drawn.empty()) {
    std::string threads;
    for (const auto& [count, problems] : by_threads(result.drawn, result.tuned_threads))
      threads += fmt::format("{}{} on {}{}", threads.empty() ? "" : ", ", problems, count,
                             result.tuned_threads.contains(count) ? "" : " (not tuned)");
    text += fmt::format("\n{} problems drawn over the ranges of tuning, none timed for it\n",
                        result.drawn.size());
    text += fmt::format("  by threads: {}\n{}", threads, summary_in_words(result.drawn));
  }
  if (!result.traffic.empty())
    text += fmt::format("\n{} shape{} of the traffic, by their weights\n{}", result.traffic.size(),
                        result.traffic.size() == 1 ? "" : "s", summary_in_words(result.traffic));
  if (!result.left_out.empty()) text += "\nLeft out, and counted nowhere:\n";
  for (const auto& shape : result.left_out) text += fmt::format("  {}\n", shape);
  return text;
}

}  // namespace attnbench
