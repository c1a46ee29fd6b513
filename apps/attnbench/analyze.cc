#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "claims/answer_claims.h"
#include "claims/load_claims.h"
#include "command.h"
#include "commands.h"
#include "io/files.h"
#include "io/json.h"
#include "io/standard_streams.h"
#include "output_format.h"
#include "report/choices_table.h"
#include "report/kernels_csv.h"
#include "report/peers_table.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/verdict_table.h"
#include "stores.h"
#include "terminal.h"
#include "tune/profile_tables.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> stores;
  std::string format, out, csv, tex;
  std::string profile;  ///< of dispatch; empty: none
  bool as_json = false;
};

nlohmann::json summary_of(const Analysis& analysis, const std::string& profile) {
  auto summary = summary_json(analysis, answer_claims(builtin_claims(), analysis.runs));
  if (!profile.empty()) add_profile(summary, profile);
  return summary;
}

/// One part a run, an empty line between them.
template <typename Part>
std::string joined(const Analysis& analysis, Part part) {
  std::string text;
  for (const auto& run : analysis.runs) text += (text.empty() ? "" : "\n") + part(run);
  return text;
}

std::string text_of(const Analysis& analysis, const nlohmann::json& summary, const std::string& format) {
  if (format == "json") return json_text(summary, 1) + '\n';
  if (format == "csv") return kernels_csv(analysis);
  if (format == "tex") return joined(analysis, latex_table);
  if (format == "md") return joined(analysis, markdown_table) + choices_markdown(summary);
  const auto width = result_width();
  return joined(analysis,
                [&](const RunAnalysis& run) {
                  return run_table(run, width) + verdict_table(run, width) + peers_table(run, width);
                }) +
         choices_table(summary, width);
}

void write(const char* option, const std::string& file, const std::string& text) {
  write_text_file(file, text, option);
  print_error("wrote {}\n", file);
}

/// What goes to standard output: what --format says where it is not of --out. Else tables, also beside a
/// file.
std::string printed_format(const Options& options) {
  if (options.as_json) return "json";
  return options.out.empty() && !options.format.empty() ? options.format : "text";
}

int run_analyze(const Options& options) {
  if (options.as_json && options.out.empty() && !options.format.empty() && options.format != "json")
    throw InputError("format", options.format, "and --json are two formats: give one");
  auto inputs = options.stores;
  if (!options.profile.empty()) inputs.push_back(options.profile);
  check_outputs({{"out", options.out}, {"csv", options.csv}, {"tex", options.tex}}, inputs);
  const auto format = output_format(options.format, options.out, {"json", "csv", "md", "tex", "text"},
                                    options.out.empty() ? "text" : "json");
  const auto analysis = analyze(read_stores(options.stores));
  const auto summary = summary_of(analysis, options.profile);
  if (!options.out.empty()) write("out", options.out, text_of(analysis, summary, format));
  if (!options.csv.empty()) write("csv", options.csv, text_of(analysis, summary, "csv"));
  if (!options.tex.empty()) write("tex", options.tex, text_of(analysis, summary, "tex"));
  bool publishable = true;
  for (const auto& run : analysis.runs)
    publishable = publishable && run.publishable.value_or(Publishable::yes) == Publishable::yes;
  fmt::print("{}", text_of(analysis, summary, printed_format(options)));
  return publishable ? kDone : kNotPublishable;
}

}  // namespace

void add_analyze_command(CLI::App& app, int& exit_code) {
  Command command(app, "analyze",
                  "From samples to intervals and verdicts: tables, summary.json, CSV, Markdown, LaTeX");
  command.footer(table_legend() + "\n" + verdict_legend() + "\n" + peers_legend() +
                 "\nExit codes: 0 done, 2 bad input, 3 a run of the publish profile is not publishable,\nor "
                 "only in part.\n\n"
                 "Examples:\n"
                 "  attnbench analyze paper.db\n"
                 "  attnbench analyze paper.db -o summary.json --csv kernels.csv --tex table.tex\n"
                 "  attnbench analyze paper.db --format md\n"
                 "  attnbench analyze paper.db --profile attnbench-profile.json -o summary.json\n"
                 "  attnbench analyze xeon.db epyc.db published.db --out summary.json");
  const auto options = std::make_shared<Options>();
  command.add_option("STORE", options->stores, "Stores to read; each run is analyzed by itself").required();
  command.add_output_option("-o,--out", options->out,
                            "File to write, by its ending: .json, all results (docs/summary.schema.json), "
                            ".csv, .md or .tex");
  command
      .add_option("--format", options->format,
                  "json, csv, md, tex or text: of --out, else of what is printed")
      .default_str("by the ending of --out, else text");
  command.add_option("--profile", options->profile,
                     "Add what dispatch chooses by this profile (attnbench tune) and what that costs");
  command.add_output_option("--csv", options->csv, "File for the results as CSV, one line a kernel and cell");
  command.add_output_option("--tex", options->tex, "File for the tables in LaTeX");
  command.add_flag("--json", options->as_json, "Print the results, summary.json, in place of the tables");
  command.callback([options, &exit_code] { exit_code = run_analyze(*options); });
}

}  // namespace attnbench
