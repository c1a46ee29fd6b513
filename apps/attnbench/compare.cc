#include "analysis/compare.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <string>

#include "attnbench/error.h"
#include "commands.h"
#include "report/comparison_table.h"
#include "stores.h"

namespace attnbench {
namespace {

struct Options {
  std::string before, after;
  std::string threshold = "2%";
  bool as_json = false;
};

/// "2%", "2 %" or "0.02".
double parse_threshold(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto rest = std::string(end, text.data() + text.size());
  const bool percent = rest == "%" || rest == " %";
  if (error != std::errc() || (!percent && !rest.empty()) || !(value >= 0) || value > (percent ? 1000 : 10))
    throw InputError("threshold", text, "is not a share such as 2% or 0.02");
  return percent ? value / 100 : value;
}

/// The run of the first store and that of the second: one each, or those of the one machine that both have.
BuildPair find_runs(const Analysis& before, const Analysis& after, const Options& options) {
  BuildPair found;
  const bool single = before.runs.size() == 1 && after.runs.size() == 1;
  int count = 0;
  for (const auto& a : before.runs) {
    for (const auto& b : after.runs) {
      if (!single && a.run.machine_key != b.run.machine_key) continue;
      found = {&a, &b};
      ++count;
    }
  }
  if (count == 1) return found;
  throw InputError(
      "store", options.before,
      fmt::format("holds {} runs and '{}' {}: {} pairs of one machine; compare needs exactly one",
                  before.runs.size(), options.after, after.runs.size(), count));
}

int run_compare(const Options& options) {
  const double threshold = parse_threshold(options.threshold);
  const auto before = analyze(read_stores({options.before}));
  Comparison comparison;
  if (options.after.empty()) {
    const auto pair = find_pair(before, options.before);
    comparison = compare_paired(*pair.before, *pair.after, threshold);
  } else {
    const auto after = analyze(read_stores({options.after}));
    const auto pair = find_runs(before, after, options);
    comparison = compare_unpaired(*pair.before, *pair.after, threshold);
  }
  if (options.as_json)
    fmt::print("{}\n", to_json(comparison).dump(2));
  else
    fmt::print("{}", comparison_table(comparison));
  return comparison.regressions() > 0 ? kGateFailed : kDone;
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("compare", "Did kernels become slower? Two builds, or two stores");
  command->footer(
      "With one store: the two builds that 'attnbench run --against' measured together, paired by process "
      "and\n"
      "block. With two stores: each kernel's ratio to the baseline, new over old, since the two sessions "
      "share\n"
      "nothing else; the drift between them is in no interval.\n"
      "A regression is a kernel shown to be slower (SLOWER, 5 % for all kernels and N together), by more "
      "than\n"
      "the threshold. Verdicts need 5 processes (profiles spec and publish).\n\n"
      "Exit codes: 0 no regression, 1 a regression beyond the threshold, 2 bad input.\n\n"
      "Examples:\n"
      "  attnbench run paper --profile spec --against ./attnbench-1.0 --out pair.db\n"
      "  attnbench compare pair.db\n"
      "  attnbench compare old.db new.db --threshold 5%");
  const auto options = std::make_shared<Options>();
  command->add_option("OLD", options->before, "Store of the old build, or of both")->required();
  command->add_option("NEW", options->after, "Store of the new build");
  command->add_option("--threshold", options->threshold, "How much slower is a regression: 2% or 0.02")
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = run_compare(*options); });
}

}  // namespace attnbench
