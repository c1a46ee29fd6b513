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
#include "output_format.h"
#include "report/brief.h"
#include "report/html.h"
#include "report/summary.h"
#include "report/summary_check.h"
#include "stores.h"
#include "tune/profile_tables.h"

namespace attnbench {
namespace {

struct Options {
  std::vector<std::string> stores;
  std::string out;      ///< empty: report.html, and standard output of a brief
  std::string profile;  ///< of dispatch; empty: none
  bool brief = false;
};

/// The summary of the stores; or the one file that `attnbench analyze --out` wrote, as it is.
nlohmann::json read_summary(const std::vector<std::string>& files) {
  if (files.size() == 1 && files.front().ends_with(".json")) {
    const auto& file = files.front();
    auto summary = parse_json(read_text_file(file, "STORE"), file);
    try {
      check_summary(summary);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}", file, error.what()));
    }
    return summary;
  }
  const auto analysis = analyze(read_stores(files));
  return summary_json(analysis, answer_claims(builtin_claims(), analysis.runs));
}

int exit_code_of(const nlohmann::json& summary) {
  for (const auto& run : summary.at("runs")) {
    const auto& publishable = run.at("publishable");
    if (publishable == "no" || publishable == "in part") return kNotPublishable;
  }
  return kDone;
}

int run_brief(const Options& options) {
  if (!options.profile.empty())
    throw InputError("profile", options.profile, "has no place in a brief: leave out --brief");
  const auto& out = options.out;
  if (!out.empty()) check_outputs({{"out", out}}, options.stores);
  const auto format = output_format("", out, {"md", "html"}, "md");
  for (const auto& store : options.stores) {
    if (store.ends_with(".json"))
      throw InputError("brief", store, "is a summary: a brief is made of the stores themselves");
  }
  const auto analysis = analyze(read_stores(options.stores));
  const auto text = format == "html" ? brief_html(analysis) : brief_markdown(analysis);
  if (out.empty()) {
    fmt::print("{}", text);
  } else {
    write_text_file(out, text);
    fmt::print("{}\n", out);
  }
  return exit_code_of(summary_json(analysis, {}));
}

int run_report(const Options& options) {
  if (options.brief) return run_brief(options);
  const auto out = options.out.empty() ? std::string("report.html") : options.out;
  auto inputs = options.stores;
  if (!options.profile.empty()) inputs.push_back(options.profile);
  check_outputs({{"out", out}}, inputs);
  output_format("", out, {"html"}, "html");
  auto summary = read_summary(options.stores);
  if (!options.profile.empty()) add_profile(summary, options.profile);
  const auto html = html_report(summary);
  write_text_file(out, html);
  fmt::print("{}\n", out);
  return exit_code_of(summary);
}

}  // namespace

void add_report_command(CLI::App& app, int& exit_code) {
  Command command(app, "report", "One HTML file with results, claims, figures and samples");
  command.footer(
      "The file loads nothing from anywhere. Several stores stand side by side and are never averaged. A "
      "single "
      "summary.json,\nas 'attnbench analyze --out' writes it, is read in place of stores.\n"
      "Exit codes: 0 done, 2 bad input, 3 written, but a run of the publish profile is not publishable,\nor "
      "only in part.\n\n"
      "Examples:\n"
      "  attnbench report paper.db\n"
      "  attnbench report xeon.db epyc.db published.db --out machines.html\n"
      "  attnbench report summary.json\n"
      "  attnbench report paper.db --profile attnbench-profile.json\n"
      "  attnbench report paper.db --brief --out brief.html");
  const auto options = std::make_shared<Options>();
  command.add_option("STORE", options->stores, "Stores to read, or one summary.json").required();
  command.add_output_option("-o,--out", options->out, "File to write (default: report.html)");
  command.add_option("--profile", options->profile,
                     "Show what dispatch chooses by this profile (attnbench tune) and what that costs");
  command.add_flag(
      "--brief", options->brief,
      "One page: what to use, by how much, how sure; Markdown to standard output, or .md or .html");
  command.callback([options, &exit_code] { exit_code = run_report(*options); });
}

}  // namespace attnbench
