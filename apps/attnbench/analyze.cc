#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "claims/answer_claims.h"
#include "claims/load_claims.h"
#include "command.h"
#include "commands.h"
#include "io/files.h"
#include "io/json.h"
#include "io/standard_streams.h"
#include "report/kernels_csv.h"
#include "report/peers_table.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/verdict_table.h"
#include "stores.h"
#include "terminal.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> stores;
  std::string out, csv, tex;
  bool as_json = false;
};

std::string summary_text(const Analysis& analysis) {
  return json_text(summary_json(analysis, answer_claims(builtin_claims(), analysis.runs)), 1) + '\n';
}

void write(const char* option, const std::string& file, const std::string& text) {
  write_text_file(file, text, option);
  print_error("wrote {}\n", file);
}

int run_analyze(const Options& options) {
  check_outputs({{"out", options.out}, {"csv", options.csv}, {"tex", options.tex}}, options.stores);
  const auto analysis = analyze(read_stores(options.stores));
  if (!options.out.empty()) write("out", options.out, summary_text(analysis));
  if (!options.csv.empty()) write("csv", options.csv, kernels_csv(analysis));
  if (!options.tex.empty()) {
    std::string text;
    for (const auto& run : analysis.runs) text += (text.empty() ? "" : "\n") + latex_table(run);
    write("tex", options.tex, text);
  }
  bool publishable = true;
  for (const auto& run : analysis.runs)
    publishable = publishable && run.publishable.value_or(Publishable::yes) == Publishable::yes;
  if (options.as_json) {
    fmt::print("{}", summary_text(analysis));
  } else {
    const char* separator = "";
    for (const auto& run : analysis.runs) {
      fmt::print("{}{}{}{}", separator, run_table(run, result_width()), verdict_table(run, result_width()),
                 peers_table(run, result_width()));
      separator = "\n";
    }
  }
  return publishable ? kDone : kNotPublishable;
}

}  // namespace

void add_analyze_command(CLI::App& app, int& exit_code) {
  Command command(app, "analyze", "From samples to intervals and verdicts: tables, summary.json, CSV, LaTeX");
  command.footer(table_legend() + "\n" + verdict_legend() + "\n" + peers_legend() +
                 "\nExit codes: 0 done, 2 bad input, 3 a run of the publish profile is not publishable,\nor "
                 "only in part.\n\n"
                 "Examples:\n"
                 "  attnbench analyze paper.db\n"
                 "  attnbench analyze paper.db --out summary.json --csv kernels.csv --tex table.tex\n"
                 "  attnbench analyze xeon.db epyc.db published.db --out summary.json");
  const auto options = std::make_shared<Options>();
  command.add_option("STORE", options->stores, "Stores to read; each run is analyzed by itself").required();
  command.add_output_option("--out", options->out,
                            "File for summary.json, all results (docs/summary.schema.json)");
  command.add_output_option("--csv", options->csv, "File for the results as CSV, one line a kernel and cell");
  command.add_output_option("--tex", options->tex, "File for the tables in LaTeX");
  command.add_flag("--json", options->as_json, "Print summary.json instead of the tables");
  command.callback([options, &exit_code] { exit_code = run_analyze(*options); });
}

}  // namespace attnbench
