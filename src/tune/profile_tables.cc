#include "tune/profile_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "dispatch/cost_model.h"
#include "dispatch/kernel_names.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "io/json.h"
#include "stats/regret.h"
#include "tune/grid.h"
#include "tune/held_out.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Half the width of a 95 % interval, in standard deviations.
constexpr double kNormal95 = 1.959964;

/// What choices may cost on average, and how far the halves of its measurements may lie apart, for a
/// certificate to be worth quoting.
constexpr double kMostMeanRegret = 0.02, kWidestApart = 0.05;

json finite_or_null(double value) {
  if (std::isfinite(value)) return value;
  return nullptr;
}

/// Mechanism with mha for all dense ones, and element type, of the core problems of a kind that tune_grid()
/// has.
using Tuned = std::pair<std::string, DType>;

std::set<Tuned> tuned_in(const CostProfile& profile) {
  std::set<Tuned> tuned;
  for (const auto& cost : profile.costs) {
    const auto kind = kind_of(cost.problem);
    if (kind.scope != Scope::core || kind.layout != Layout::bhsd || kind.dtype_kv != kind.dtype_q ||
        kind.dtype_o != kind.dtype_q)
      continue;
    auto mechanism = cost.problem.mechanism;
    mechanism.kind = kind.mechanism;
    mechanism.num_kv_heads = 0;
    tuned.emplace(to_string(mechanism), kind.dtype_q);
  }
  return tuned;
}

/// What figures tell problems apart by.
json problem_columns(const Problem& problem, const std::string& mechanism, int threads) {
  const auto& s = problem.shape;
  const auto kv_heads = problem.mechanism.num_kv_heads;
  return {{"mechanism", mechanism},
          {"dtype", name(s.dtype_q)},
          {"threads", threads},
          {"phase", name(problem.phase)},
          {"num_q_heads", s.num_q_heads},
          {"num_kv_heads", kv_heads},
          {"group_size", s.num_q_heads / kv_heads},
          {"head_dim", s.head_dim_qk},
          {"batch", s.batch},
          {"seqlen", s.seqlen_kv},
          {"seqlen_q", s.seqlen_q}};
}

/// Null where no kernel may be used.
json choice_row(const Dispatcher& dispatcher, const Problem& problem, const std::string& mechanism,
                int threads) {
  const auto decision = dispatcher.choose(problem);
  if (!decision) return nullptr;
  auto row = problem_columns(problem, mechanism, threads);
  auto tied = json::array();
  const auto candidates = dispatcher.candidates(problem);  // the chosen one first
  const auto& chosen = candidates.front();
  const bool timed = !std::isnan(chosen.seconds);
  const auto time_of = [](const Candidate& c) {
    return CostModel::Prediction{std::log(c.seconds), c.log_error};
  };
  for (const auto& other : candidates) {
    if (&other == &chosen || !other.excluded.empty() || std::isnan(other.seconds) || !timed) continue;
    if (ratio_of(time_of(other), time_of(chosen)).low <= kSwitchRatio) tied.push_back(name_of(*other.kernel));
  }
  const double within = std::exp(kNormal95 * chosen.log_error);
  row["kernel"] = name_of(*decision.kernel);
  row["is_default"] = chosen.is_default;
  row["reason"] = name(decision.because.reason);
  row["seconds"] = finite_or_null(chosen.seconds);
  row["seconds_low"] = finite_or_null(chosen.seconds / within);
  row["seconds_high"] = finite_or_null(chosen.seconds * within);
  row["tied"] = std::move(tied);
  return row;
}

/// "A fused@cpu:avx2": figures show the letter in the place of the name.
void add_labels(json& choices) {
  std::map<std::string, std::string> labels;
  for (const auto& row : choices) labels[row["kernel"].get<std::string>()];
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::size_t count = 0;
  for (auto& [kernel, label] : labels) {
    label = fmt::format("{} {}", count < kLetters.size() ? kLetters[count] : '+', kernel);
    ++count;
  }
  for (auto& row : choices) row["label"] = labels[row["kernel"].get<std::string>()];
}

json choices_by(const CostProfile& profile, const std::string& file) {
  for (const auto* variable : {"ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"}) {
    if (const auto value = environment_value(variable); !value.empty())
      throw InputError(variable, value, "would change the choices that are to be shown");
  }
  std::set<int> threads;
  for (const auto& cost : profile.costs) threads.insert(cost.threads);
  auto choices = json::array();
  for (const auto& [mechanism, dtype] : tuned_in(profile)) {
    const auto grid = tune_grid({parse_mechanism(mechanism)}, {dtype});
    for (const int count : threads) {
      const auto device = cpu_device(count);
      const Dispatcher dispatcher(device, {.profile = file});
      for (const auto& [problem, coarse] : grid) {
        if (problem.phase == Phase::decode && problem.shape.seqlen_q != 1) continue;
        auto row = choice_row(dispatcher, problem, mechanism, count);
        if (!row.is_null()) choices.push_back(std::move(row));
      }
    }
  }
  add_labels(choices);
  return choices;
}

// What a certificate holds, each value checked: parse_profile_text() looks at none of them.

double number_in(const json& in, const char* field) {
  const auto value = read_field<double>(in, field);
  if (!std::isfinite(value)) throw InputError(field, fmt::format("{}", value), "is not finite");
  return value;
}

int whole_in(const json& in, const char* field, int least) {
  const auto value = read_field<int>(in, field);
  if (value < least) throw InputError(field, fmt::format("{}", value), fmt::format("is below {}", least));
  return value;
}

std::string shapes_in(const json& in) {
  auto shapes = read_field<std::string>(in, "shapes");
  if (shapes != "drawn" && shapes != "traffic")
    throw InputError("shapes", shapes, "is neither drawn nor traffic");
  return shapes;
}

json bound_in(const json& in, const char* field) {
  if (field_of(in, field).is_null()) return nullptr;
  return number_in(in, field);
}

json regret_row(const json& in) {
  const auto problem = problem_from_json(field_of(in, "problem"));
  validate(problem);
  const HeldOutProblem held_out{problem, whole_in(in, "threads", 1), number_in(in, "weight")};
  const auto chosen = read_field<std::string>(in, "chosen");
  stats::RegretCase times{.log_seconds = {}, .chosen = 0, .weight = held_out.weight};
  std::vector<std::string> kernels;
  const auto& seconds = field_of(in, "seconds");
  if (!seconds.is_object()) throw InputError("seconds", json_text(seconds), "is no object of lists");
  for (const auto& [kernel, list] : seconds.items()) {
    if (kernel == chosen) times.chosen = kernels.size();
    kernels.push_back(kernel);
    auto& logs = times.log_seconds.emplace_back();
    const auto field = fmt::format("seconds.{}", kernel);
    for (const auto& value : json_value<std::vector<json>>(list, field)) {
      const auto time = json_value<double>(value, field);
      if (!(time > 0)) throw InputError(field, fmt::format("{}", time), "is no time");
      logs.push_back(std::log(time));
    }
  }
  if (!seconds.contains(chosen)) throw InputError("chosen", chosen, "is none of the kernels in seconds");
  const auto regret = stats::regret_of(times);
  if (const auto said = number_in(in, "regret"); std::abs(said - std::expm1(regret.cross_fitted)) > 1e-9)
    throw InputError("regret", fmt::format("{}", said),
                     fmt::format("is not what its seconds give, {}", std::expm1(regret.cross_fitted)));
  const auto interval = stats::cross_fitted_interval(times);
  std::size_t best = 0;
  for (std::size_t k = 1; k < kernels.size(); ++k) {
    if (stats::mean(times.log_seconds[k]) < stats::mean(times.log_seconds[best])) best = k;
  }
  const auto bound = [](double log) { return std::isfinite(log) ? json(std::expm1(log)) : json(); };
  auto row = problem_columns(problem, to_string(problem.mechanism), held_out.threads);
  row["shapes"] = shapes_in(in);
  row["words"] = in_words(held_out);
  row["weight"] = held_out.weight;
  row["chosen"] = chosen;
  row["default"] = read_field<std::string>(in, "default");
  row["best"] = kernels[best];
  row["regret"] = std::expm1(regret.cross_fitted);
  row["regret_low"] = bound(interval.low);
  row["regret_high"] = bound(interval.high);
  row["naive_regret"] = std::expm1(regret.naive);
  return row;
}

json summary_of(const json& in) {
  const auto& regret = field_of(in, "regret");
  return {{"shapes", shapes_in(in)},
          {"problems", whole_in(in, "problems", 1)},
          {"regret",
           {{"estimate", number_in(regret, "estimate")},
            {"low", bound_in(regret, "low")},
            {"high", bound_in(regret, "high")}}},
          {"naive_regret", number_in(field_of(in, "naive_regret"), "estimate")},
          {"shown_ratio", number_in(in, "shown_ratio")},
          {"shown_faster", whole_in(in, "shown_faster", 0)},
          {"not_the_default", whole_in(in, "not_the_default", 0)},
          {"slower_than_default", whole_in(in, "slower_than_default", 0)},
          {"half_difference", number_in(in, "half_difference")}};
}

json certificate_of(const json& in, json& regrets) {
  if (in.is_null()) return nullptr;
  std::string measured;
  int processes = 0, rejected = 0;
  read_list(in, "parts", [&](const json& part) {
    measured = read_field<std::string>(part, "measured_utc");
    processes += whole_in(part, "processes", 0);
    rejected += whole_in(part, "rejected", 0);
  });
  if (measured.empty())
    throw InputError("parts", "[]", "is empty: a certificate was measured in one at least");
  json out = {{"measured_utc", measured},
              {"processes", processes},
              {"rejected", rejected},
              {"summaries", json::array()}};
  read_list(in, "summaries", [&](const json& entry) { out["summaries"].push_back(summary_of(entry)); });
  read_list(in, "problems", [&](const json& entry) { regrets.push_back(regret_row(entry)); });
  return out;
}

/// What limits the certificate as a whole.
std::vector<std::string> limits_of(const json& in, const std::string& problem) {
  std::vector<std::string> limits;
  if (!problem.empty())
    limits.push_back(fmt::format(
        "The certificate does not hold here: {}. What it says is of choices by that other rule.", problem));
  if (!read_field<bool>(in, "certified"))
    limits.push_back(
        fmt::format("The certificate is one in part: {}.", read_field<std::string>(in, "lacks")));
  if (read_field<bool>(in, "noise_accepted"))
    limits.push_back("Noise was accepted: times may hold what other programs did to the machine.");
  return limits;
}

std::string count_of(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string choices_words(ProfileState state, const json& choices) {
  if (state == ProfileState::foreign)
    return "The profile is foreign: it was measured on another machine or device than this one, which made "
           "the report. Dispatch does not trust it here and uses its default, so no choices are shown.";
  if (state == ProfileState::stale)
    return "The profile is stale: it was measured with the kernels of another build than this one. Dispatch "
           "does not trust it here and uses its default, so no choices are shown.";
  if (choices.empty()) return "The profile has no times, and dispatch uses its default everywhere.";
  std::size_t untimed = 0, other = 0, tied = 0;
  for (const auto& row : choices) {
    untimed += row["seconds"].is_null() ? 1 : 0;
    other += row["is_default"] == false ? 1 : 0;
    tied += row["tied"].empty() ? 0 : 1;
  }
  auto text = fmt::format(
      "Of {}, another kernel than the default is chosen in {}. In {} other kernels are tied with the choice.",
      count_of(choices.size(), "problem"), other, tied);
  if (untimed > 0)
    text += fmt::format(" For {} no time of the choice is known, or none near enough: the default is used.",
                        untimed);
  return text;
}

std::string percent_text(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string regret_words(const json& summary) {
  const auto& regret = summary["regret"];
  const auto problems = summary["problems"].get<std::size_t>();
  const auto estimate = regret["estimate"].get<double>();
  auto interval = std::string("no interval");
  std::string verdict = "not shown to be at most";
  if (!regret["low"].is_null() && !regret["high"].is_null()) {
    const auto low = regret["low"].get<double>(), high = regret["high"].get<double>();
    interval = fmt::format("95 % CI {} to {}", percent_text(low), percent_text(high));
    if (high <= kMostMeanRegret) verdict = "shown to be at most";
    if (low > kMostMeanRegret) verdict = "shown to be above";
  }
  const auto* shapes = summary["shapes"] == "drawn"
                           ? "drawn over the ranges of tuning, none of them used for it,"
                           : "of the traffic given, by its weights,";
  auto text =
      fmt::format("On {} {} the mean regret is {} ({}), {} {:.0f} %; naive, with the luck of measuring, {}.",
                  count_of(problems, "problem"), shapes, percent_text(estimate), interval, verdict,
                  100 * kMostMeanRegret, percent_text(summary["naive_regret"].get<double>()));
  text += fmt::format(" In {} another kernel is shown to be more than {:.0f} % faster than the choice.",
                      summary["shown_faster"].get<int>(), 100 * (summary["shown_ratio"].get<double>() - 1));
  if (summary["not_the_default"] > 0)
    text += fmt::format(
        " Of the {} where another than the default was chosen, {} are shown to be slower than the "
        "default.",
        summary["not_the_default"].get<int>(), summary["slower_than_default"].get<int>());
  else
    text += " The default was chosen in all of them.";
  if (const auto apart = summary["half_difference"].get<double>(); apart > kWidestApart)
    text += fmt::format(
        " The halves of the measurements lie {} apart in the median, above {:.0f} %: noise was accepted, "
        "and single regrets tell little.",
        percent_text(apart), 100 * kWidestApart);
  return text;
}

/// The runs of the summary that were measured on the profile's machine, and its name there.
std::pair<json, std::string> runs_of(const json& summary, const std::string& machine_key) {
  auto runs = json::array();
  std::string machine;
  for (const auto& run : summary.at("runs")) {
    if (run.at("kind") == "published" || run.at("study").at("machine_key") != machine_key) continue;
    runs.push_back(run.at("id"));
    machine = run.at("machine").get<std::string>();
  }
  if (machine.empty()) machine = fmt::format("machine {}", machine_key.substr(0, 8));
  return {std::move(runs), std::move(machine)};
}

}  // namespace

void add_profile(json& summary, const std::string& file) {
  const auto profile = parse_profile_text(read_text_file(file, "profile"), file);
  const auto state = find_profile(file, origin_here(cpu_device(0))).state;
  auto choices = state == ProfileState::trusted ? choices_by(profile, file) : json::array();
  auto regrets = json::array();
  json certificate;
  auto words = json::array();
  try {
    certificate = certificate_of(*profile.certificate, regrets);
    if (!certificate.is_null()) {
      const auto problem = certificate_problem(profile.certificate);
      if (!problem.empty()) certificate["problem"] = problem;
      for (const auto& limit : limits_of(*profile.certificate, problem)) words.push_back(limit);
    }
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: certificate: {}", file, error.what()));
  }
  auto [runs, machine] = runs_of(summary, profile.origin.machine_key);
  if (certificate.is_null())
    words.push_back(
        "The profile holds no certificate: what its choices cost was not observed. 'attnbench tune "
        "--certify' measures that.");
  else
    for (const auto& of : certificate["summaries"]) words.push_back(regret_words(of));
  auto belongs =
      fmt::format("Measured on the machine of {} here.", runs.size() == 1 ? "the run" : "the runs");
  if (runs.empty()) belongs = "The profile is of another machine than the runs here.";
  summary["profile"] = {{"state", name(state)},
                        {"machine_key", profile.origin.machine_key},
                        {"device", profile.origin.device},
                        {"library", profile.origin.library},
                        {"environment", profile.environment},
                        {"machine", machine},
                        {"runs", std::move(runs)},
                        {"times", profile.costs.size()},
                        {"belongs", belongs},
                        {"choices_words", choices_words(state, choices)},
                        {"regret_words", std::move(words)},
                        {"certificate", std::move(certificate)}};
  summary["tables"]["choices"] = std::move(choices);
  summary["tables"]["regrets"] = std::move(regrets);
}

}  // namespace attnbench
