#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/claims/answer_claims.h"
#include "analysis/claims/claim_json.h"
#include "analysis/claims/load_claims.h"
#include "commands.h"
#include "report/claims_table.h"
#include "stores.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string claims;
  bool explain = false;
  bool as_json = false;
};

void print_json(const std::vector<ClaimResult>& claims, const std::vector<RunAnalysis>& runs) {
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
  fmt::print("{}\n", nlohmann::json{{"runs", run_list}, {"claims", claim_list}}.dump(1));
}

void run_claims(const Options& options) {
  const auto claims = options.claims.empty() ? builtin_claims() : load_claims(options.claims);
  const auto runs = analyze(read_stores(options.files)).runs;
  const auto results = answer_claims(claims, runs);
  if (options.as_json) return print_json(results, runs);
  const char* separator = "";
  for (const auto& run : runs) {
    fmt::print("{}{}", separator, claims_table(results, run));
    if (options.explain) fmt::print("{}", claims_explained(results, run));
    separator = "\n";
  }
}

}  // namespace

void add_claims_command(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("claims", "Which findings of the published study hold on these machines");
  command->footer(claims_legend() +
                  "\nExit codes: 0 done, whatever the answers; 2 bad input.\n\n"
                  "Examples:\n"
                  "  attnbench claims paper.db\n"
                  "  attnbench claims paper.db --explain\n"
                  "  attnbench claims xeon.db epyc.db data/m4_mlx_published.csv --json\n"
                  "  attnbench claims paper.db --claims my_claims/");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("STORE", options->files,
                   "Stores, exported CSV files, or the published table; each run is answered by itself")
      ->required();
  command->add_option("--claims", options->claims,
                      "Folder of claim files to answer instead of the published findings (claims/README.md)");
  command->add_flag("--explain", options->explain,
                    "Print the answers with all their numbers below the table");
  command->add_flag("--json", options->as_json, "Print everything as JSON");
  command->callback([options, &exit_code] {
    run_claims(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
