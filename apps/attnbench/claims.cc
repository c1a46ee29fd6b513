#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "claims/answer_claims.h"
#include "claims/claim_json.h"
#include "claims/load_claims.h"
#include "command.h"
#include "commands.h"
#include "report/claims_table.h"
#include "stores.h"
#include "terminal.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string claims;
  std::string engine;
  bool explain = false;
  bool as_json = false;
};

void print_json(const Options& options, const std::vector<ClaimResult>& claims,
                const std::vector<RunAnalysis>& runs) {
  auto run_list = nlohmann::json::array();
  for (const auto& run : runs) {
    run_list.push_back({{"id", run.id},
                        {"machine", run.machine},
                        {"study", run.run.study},
                        {"profile", run.run.profile},
                        {"standing", run.standing},
                        {"mark", run.mark}});
  }
  auto claim_list = nlohmann::json::array();
  for (const auto& claim : claims) claim_list.push_back(to_json(claim));
  fmt::print("{}\n", nlohmann::json{{"engine", options.engine.empty() ? nlohmann::json()
                                                                      : nlohmann::json(options.engine)},
                                    {"runs", run_list},
                                    {"claims", claim_list}}
                         .dump(1));
}

/// Throws InputError where no run has a kernel of it, naming the engines that there are.
void require_engine(const std::string& engine, const std::vector<RunAnalysis>& runs) {
  std::set<std::string> known;
  for (const auto& run : runs) {
    for (const auto& group : run.groups) {
      for (const auto& cell : group.cells) {
        for (const auto& kernel : cell.kernels) known.insert(kernel.kernel.engine);
      }
    }
  }
  if (known.contains(engine)) return;
  throw InputError("engine", engine, fmt::format("has no kernel there, {} has", fmt::join(known, ", ")));
}

void run_claims(const Options& options) {
  const auto claims = options.claims.empty() ? builtin_claims() : load_claims(options.claims);
  const auto runs = analyze(read_stores(options.files)).runs;
  if (!options.engine.empty()) require_engine(options.engine, runs);
  const auto results = answer_claims(claims, runs, options.engine);
  if (options.as_json) return print_json(options, results, runs);
  constexpr std::size_t kNarrowest = 60;  // headlines and one column
  const auto width = result_width(kNarrowest);
  const char* separator = "";
  for (const auto& run : runs) {
    fmt::print("{}{}", separator, claims_table(results, run, width));
    if (options.explain) fmt::print("{}", claims_explained(results, run, width));
    separator = "\n";
  }
}

}  // namespace

void add_claims_command(CLI::App& app, int& exit_code) {
  Command command(app, "claims", "Which findings of the published study hold on these machines");
  command.footer(claims_legend() +
                 "\nExit codes: 0 done, whatever the answers; 2 bad input.\n\n"
                 "Examples:\n"
                 "  attnbench claims paper.db\n"
                 "  attnbench claims paper.db --explain\n"
                 "  attnbench claims xeon.db epyc.db data/m4_mlx_published.csv --json\n"
                 "  attnbench claims paper.db --engine mlx\n"
                 "  attnbench claims paper.db --claims my_claims/");
  const auto options = std::make_shared<Options>();
  command
      .add_option("STORE", options->files,
                  "Stores, exported CSV files, or the published table; each run is answered by itself")
      .required();
  command.add_option("--claims", options->claims,
                     "Folder of claim files to answer instead of the published findings (claims/README.md)");
  command.add_option(
      "--engine", options->engine,
      "Answer by the kernels of this engine alone: mlx is the publication's own (default: where "
      "several engines match, that of the baseline)");
  command.add_flag(
      "--explain", options->explain,
      "Print below the table each finding as published, with every published and measured value");
  command.add_flag("--json", options->as_json, "Print everything as JSON");
  command.callback([options, &exit_code] {
    run_claims(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
