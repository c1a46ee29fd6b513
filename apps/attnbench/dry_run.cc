#include "dry_run.h"

#include <fmt/format.h>

#include "plan/budget.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/progress.h"

namespace attnbench {
namespace {

// Of a slow present-day core, so that the estimate errs on the long side.
constexpr double kNominalFlopsPerSecondAndThread = 2e10;
constexpr double kNominalBytesPerSecond = 5e9;
constexpr Overheads kNominalOverheads{.process_start_seconds = 0.3,
                                      .sentinel_seconds = 1e-3,
                                      .eviction_seconds = 0.02,
                                      .verification_calls = 20};

CellCost cost_of(const Cell& cell, const Device& device, nlohmann::json& kernels) {
  CellCost cost{cell.id(), cell.baseline, cell.condition, {}, 0};
  for (const auto& choice : candidates(cell, 0)) {
    const auto problem = cell.problem(choice.mechanism);
    nlohmann::json entry = {{"kernel", choice.id()}};
    if (const auto support = choice.kernel->supports(problem, device); !support) {
      entry["unsupported"] = support.reason();
    } else {
      entry["workspace_bytes"] = choice.kernel->workspace_bytes(problem, device);
      cost.kernels.push_back(
          {choice.id(),
           nominal_call_seconds(choice.kernel->executed_flops(problem), work(problem).compulsory_bytes,
                                kNominalFlopsPerSecondAndThread * device.threads, kNominalBytesPerSecond),
           0});
    }
    kernels.push_back(entry);
  }
  return cost;
}

}  // namespace

nlohmann::json dry_run_json(const RunOptions& options) {
  std::vector<CellCost> costs;
  auto cells = nlohmann::json::array();
  for (const auto& cell : options.study.cells) {
    auto kernels = nlohmann::json::array();
    costs.push_back(cost_of(cell, cpu_device(cell.threads), kernels));
    cells.push_back({{"cell_id", cell.id()}, {"tensor_bytes", memory_bytes(cell)}, {"kernels", kernels}});
  }
  return {{"study", options.study.name},
          {"profile", options.profile.name},
          {"cells", cells},
          {"estimated_seconds", study_seconds(costs, options.profile, kNominalOverheads)}};
}

std::string dry_run_text(const RunOptions& options) {
  const auto plan = dry_run_json(options);
  std::string text;
  for (const auto& cell : plan.at("cells")) {
    const auto& kernels = cell.at("kernels");
    text += fmt::format("{}  {} kernels, {:.1f} MiB of tensors\n", cell.at("cell_id").get<std::string>(),
                        kernels.size(), cell.at("tensor_bytes").get<double>() / (1 << 20));
    for (const auto& kernel : kernels) {
      if (!kernel.contains("unsupported")) continue;
      text += fmt::format("    {}: not supported: {}\n", kernel.at("kernel").get<std::string>(),
                          kernel.at("unsupported").get<std::string>());
    }
  }
  if (options.profile.default_path_only)
    text += "of kernels with several paths this profile times the default one alone\n";
  return text + fmt::format("{} cells, profile {}: at most about {} by nominal rates; nothing was measured\n",
                            plan.at("cells").size(), options.profile.name,
                            duration_in_words(plan.at("estimated_seconds").get<double>()));
}

}  // namespace attnbench
