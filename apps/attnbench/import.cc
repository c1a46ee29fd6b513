#include "store/import.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "commands.h"
#include "io/json.h"
#include "output_format.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string out;
  bool as_json = false;
};

void run_import(const Options& options) {
  require_store_name(options.out);
  std::vector<RunContents> runs;
  for (const auto& file : options.files) {
    for (auto& run : read_runs(file)) runs.push_back(std::move(run));
  }
  auto store = Store::open(options.out, Store::Mode::write);
  const auto merged = merge_runs(store, runs);
  if (options.as_json) {
    auto list = nlohmann::json::array();
    for (const auto& run : merged)
      list.push_back({{"study", run.study}, {"machine", run.machine}, {"added", run.added}});
    fmt::print("{}\n", json_text({{"store", options.out}, {"runs", list}}, 2));
    return;
  }
  for (const auto& run : merged) {
    fmt::print("{} of study {} on {}\n", run.added ? "added: run" : "already there, unchanged: run",
               run.study, run.machine);
  }
}

}  // namespace

void add_import_command(CLI::App& app, int& exit_code) {
  Command command(app, "import", "Make a store of exported or published data, or merge stores");
  command.footer(
      "Reads stores (.db), CSV files of 'attnbench export' with their NAME.env.json, and the table of the\n"
      "published study (header name,b,n,dModel,heads,kvHeads,iters,msPerIter; its machine is named\n"
      "'Apple M4 (published)'). Runs are added side by side and never averaged; a run that is there already\n"
      "is not added again. A call takes 1e-12 to 86400 seconds; other times are refused, with their line.\n"
      "Examples:\n"
      "  attnbench import data/m4_mlx_published.csv --out published.db\n"
      "  attnbench import laptop.db server.csv --out all.db");
  const auto options = std::make_shared<Options>();
  command.add_option("FILE", options->files, "Files to read").required();
  command.add_output_option("-o,--out", options->out, "Store to make or to add to").required();
  command.add_flag("--json", options->as_json, "Print what became of each run as JSON");
  command.callback([options, &exit_code] {
    run_import(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
