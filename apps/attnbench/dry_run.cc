#include "dry_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "plan/budget.h"
#include "report/left_out.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/progress.h"
#include "run/thrown.h"
#include "run/worker/memory_fit.h"

namespace attnbench {
namespace {

// Of a slow present-day core, so that the estimate errs on the long side.
constexpr double kNominalFlopsPerSecondAndThread = 2e10;
constexpr double kNominalBytesPerSecond = 5e9;

std::set<std::string> able_baselines(const Cell& cell, const std::vector<KernelRequest>& requests,
                                     const Device& device) {
  std::set<std::string> able;
  for (const auto& request : requests) {
    if (!cell.may_be_baseline(request.id())) continue;
    const auto choice = *find_choice(request);
    auto support = Support::no("");
    thrown([&] { support = choice.kernel->supports(cell.problem(choice.mechanism), device); });
    if (support) able.insert(request.id());
  }
  return able;
}

/// The kernels that are left out by themselves, whatever is prepared beside them, with the reason; the others
/// with their workspaces, at their cost. Paths of a kernel cost the same here, so that where the default one
/// alone is timed any of them stands for it.
CellCost cost_of(const Cell& cell, const Device& device, bool default_path_only, std::int64_t available_bytes,
                 nlohmann::json& kernels) {
  CellCost cost{cell.id(), cell.baseline, cell.condition, {}};
  cost.processes = cell.processes;
  cost.blocks = cell.blocks;
  std::set<std::string> counted;  // without their paths
  const auto requests = candidates(cell, kernel_offers(), 0);
  cost.baseline = cell.baseline_among(able_baselines(cell, requests, device));
  for (const auto& request : requests) {
    const auto choice = *find_choice(request);
    const auto problem = cell.problem(choice.mechanism);
    nlohmann::json entry = {{"kernel", choice.id()}};
    auto support = Support::yes();
    if (const auto fault = thrown([&] { support = choice.kernel->supports(problem, device); });
        !fault.empty())
      support = Support::no(fault);
    if (!support) {
      entry["unsupported"] = support.reason();
    } else if (cell.is_spare_beside(cost.baseline, choice.id())) {
      entry["unsupported"] = why_spare(cost.baseline);
    } else if (const auto refused = kernels_that_do_not_fit(cell, {&choice, 1}, device, available_bytes);
               !refused.empty()) {
      entry["does_not_fit"] = refused.begin()->second;
    } else {
      entry["workspace_bytes"] = choice.kernel->workspace_bytes(problem, device);
      const auto id = choice.id();
      const bool is_new = counted.insert(id.substr(0, id.find(':'))).second;
      if (default_path_only && !is_new && id != cost.baseline) {
        kernels.push_back(entry);
        continue;
      }
      cost.kernels.push_back(
          {choice.id(),
           nominal_call_seconds(choice.kernel->executed_flops(problem), work(problem).compulsory_bytes,
                                kNominalFlopsPerSecondAndThread * device.host_threads(),
                                kNominalBytesPerSecond),
           0});
    }
    kernels.push_back(entry);
  }
  return cost;
}

/// Throws InputError, as the run would, where the budget does not suffice even for baselines that take no
/// time. By nominal rates alone none is refused: they are slower than the machine.
void require_budget_that_can_suffice(double seconds, std::vector<CellCost> costs, const Profile& profile) {
  for (auto& cell : costs) {
    std::erase_if(cell.kernels, [&](const auto& kernel) { return kernel.kernel_id != cell.baseline; });
    for (auto& kernel : cell.kernels) kernel.call_seconds = 0;
  }
  fit_budget(seconds, costs, profile, kOverheads);
}

/// Adds what the budget leaves by nominal rates: processes a cell, kernels left out, and the time.
void apply_budget(const RunOptions& options, const std::vector<CellCost>& costs, nlohmann::json& plan) {
  if (options.profile.budget_seconds > 0) {
    plan["budget"] = {{"seconds", options.budget_seconds.value_or(options.profile.budget_seconds)},
                      {"looks", options.profile.processes}};
    return;
  }
  if (!options.budget_seconds) return;
  const auto each = *options.budget_seconds / (options.against.empty() ? 1 : 2);
  require_budget_that_can_suffice(each, costs, options.profile);
  plan["budget"] = {{"seconds", *options.budget_seconds}};
  try {
    const auto fit = fit_budget(each, costs, options.profile, kOverheads);
    plan["budget"]["processes"] = fit.processes;
    plan["budget"]["kernels_left_out"] = fit.too_slow.size();
    plan["estimated_seconds"] = fit.seconds;
  } catch (const InputError& error) {
    plan["budget"]["by_nominal_rates"] = error.what();
  }
}

std::string budget_text(const nlohmann::json& budget) {
  const auto words = duration_in_words(budget.at("seconds").get<double>());
  if (budget.contains("looks")) {
    return fmt::format("budget of {}, then it ends: looks at {} processes, at each the f32 cells first\n",
                       words, fmt::join(budget.at("looks").get<std::vector<int>>(), ", "));
  }
  if (budget.contains("by_nominal_rates")) {
    return fmt::format("budget of {}: may be too short; by nominal rates, {}\n", words,
                       budget.at("by_nominal_rates").get<std::string>());
  }
  return fmt::format("budget of {}: {} processes a cell, {} kernels left out by nominal rates\n", words,
                     budget.at("processes").get<int>(), budget.at("kernels_left_out").get<std::size_t>());
}

/// One line a reason, with implementations and the number of cells: most kernels compute a few of a study's
/// cells.
std::string left_out_text(const nlohmann::json& cells, const char* field, const char* words) {
  struct Where {
    std::set<std::string> kernels, cells;
  };
  std::map<std::string, Where> found;
  for (const auto& cell : cells) {
    for (const auto& kernel : cell.at("kernels")) {
      if (!kernel.contains(field)) continue;
      const auto id = kernel.at("kernel").get<std::string>();
      auto& where = found[kernel.at(field).get<std::string>()];
      where.kernels.insert(id.substr(id.rfind('/') + 1));
      where.cells.insert(cell.at("cell_id").get<std::string>());
    }
  }
  std::string text;
  for (const auto& [reason, where] : found) {
    text += fmt::format("{} in {} of {} cells: {}: {}\n", words, where.cells.size(), cells.size(), reason,
                        some_of(where.kernels));
  }
  return text;
}

/// The cells that differ in their lengths alone: how many, over which N, with how many kernels and bytes.
struct CellFamily {
  std::string name;
  std::vector<std::int64_t> seqlens;
  std::int64_t fewest_kernels = 0, most_kernels = 0;
  double most_bytes = 0;
};

std::string without_lengths(const Cell& cell) {
  auto id = cell.id();
  const auto lengths = fmt::format("-q{}-kv{}", cell.shape.seqlen_q, cell.shape.seqlen_kv);
  if (const auto at = id.find(lengths); at != std::string::npos) id.erase(at, lengths.size());
  return id;
}

std::string cells_text(const std::vector<Cell>& cells, const nlohmann::json& plan) {
  std::vector<CellFamily> families;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto& of_cell = plan.at(i);
    const auto& kernels = of_cell.at("kernels");
    const auto supported = std::count_if(kernels.begin(), kernels.end(),
                                         [](const auto& kernel) { return !kernel.contains("unsupported"); });
    const auto name = without_lengths(cells[i]);
    auto family =
        std::find_if(families.begin(), families.end(), [&](const auto& f) { return f.name == name; });
    if (family == families.end())
      family = families.insert(families.end(), {name, {}, supported, supported, 0});
    family->seqlens.push_back(cells[i].shape.seqlen_kv);
    family->fewest_kernels = std::min<std::int64_t>(family->fewest_kernels, supported);
    family->most_kernels = std::max<std::int64_t>(family->most_kernels, supported);
    family->most_bytes = std::max(family->most_bytes, of_cell.at("tensor_bytes").get<double>());
  }
  std::string text;
  for (const auto& f : families) {
    const auto range = f.fewest_kernels == f.most_kernels
                           ? std::to_string(f.most_kernels)
                           : fmt::format("{} to {}", f.fewest_kernels, f.most_kernels);
    text += fmt::format("{}\n  N = {}: {} kernels, up to {:.1f} MiB of tensors\n", f.name,
                        fmt::join(f.seqlens, ", "), range, f.most_bytes / (1 << 20));
  }
  return text;
}

}  // namespace

std::int64_t known_memory_bytes(const RunOptions& options) {
  return options.launch.launcher.empty() ? available_memory_bytes() : 0;
}

nlohmann::json dry_run_json(const RunOptions& options) {
  const auto available_bytes = known_memory_bytes(options);
  require_cell_that_fits(options.study, available_bytes);
  std::vector<CellCost> costs;
  auto cells = nlohmann::json::array();
  for (const auto& cell : options.study.cells) {
    auto kernels = nlohmann::json::array();
    costs.push_back(cost_of(cell, *open_device(cell.device, cpu_device(cell.threads)),
                            for_cell(options.profile, cell).default_path_only, available_bytes, kernels));
    cells.push_back({{"cell_id", cell.id()}, {"tensor_bytes", memory_bytes(cell)}, {"kernels", kernels}});
  }
  nlohmann::json plan = {{"study", options.study.name},
                         {"profile", options.profile.name},
                         {"available_bytes", available_bytes > 0 ? nlohmann::json(available_bytes) : nullptr},
                         {"cells", cells},
                         {"estimated_seconds", study_seconds(costs, options.profile, kOverheads)}};
  if (!options.study.not_computed.empty()) plan["not_computed"] = options.study.not_computed;
  apply_budget(options, costs, plan);
  return plan;
}

std::string dry_run_text(const RunOptions& options) {
  const auto plan = dry_run_json(options);
  auto text = cells_text(options.study.cells, plan.at("cells"));
  text += left_out_text(plan.at("cells"), "does_not_fit", "left out");
  text += left_out_text(plan.at("cells"), "unsupported", "not supported");
  for (const auto& missing : options.study.not_computed)
    text += fmt::format("the model's attention also has, and nothing here computes: {}\n", missing);
  if (plan.at("available_bytes").is_null())
    text +=
        "memory of the machine that will measure is not known here: nothing was checked against it; the run\n"
        "itself leaves out what does not fit there\n";
  if (options.profile.default_path_only)
    text += "of kernels with several paths this profile times the default one alone\n";
  else if (std::any_of(options.study.cells.begin(), options.study.cells.end(),
                       [](const auto& cell) { return cell.default_path_only; }))
    text += "of kernels with several paths the study has cells that time the default one alone\n";
  if (plan.contains("budget")) text += budget_text(plan.at("budget"));
  return text +
         fmt::format("{} cells, profile {}: {}at most about {} by nominal rates; nothing was measured\n",
                     plan.at("cells").size(), options.profile.name,
                     options.profile.budget_seconds > 0 ? "without its budget " : "",
                     duration_in_words(plan.at("estimated_seconds").get<double>()));
}

}  // namespace attnbench
