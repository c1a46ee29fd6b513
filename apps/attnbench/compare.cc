#include "analysis/compare.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/error.h"
#include "command.h"
#include "commands.h"
#include "core/real_number.h"
#include "io/files.h"
#include "io/standard_streams.h"
#include "output_format.h"
#include "report/comparison_table.h"
#include "stores.h"
#include "terminal.h"

namespace attnbench {
namespace {

struct Options {
  std::string before, after;
  std::string threshold = "2%";
  bool absolute = false;
  std::string format, out;
  bool as_json = false;
};

/// "2%", "2 %" or "0.02".
double parse_threshold(const std::string& text) {
  std::string_view rest = text;
  const double value = take_real(rest).value_or(-1);
  const bool percent = rest == "%" || rest == " %";
  if ((!percent && !rest.empty()) || !(value >= 0) || value >= (percent ? 100 : 1))
    throw InputError("threshold", text, "is not a share below 1, such as 2% or 0.02");
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

int exit_code_of(ComparisonOutcome outcome) {
  if (outcome == ComparisonOutcome::kPassed) return kDone;
  return outcome == ComparisonOutcome::kRegression ? kGateFailed : kNotPublishable;
}

std::string text_of(const Comparison& comparison, const std::string& format) {
  if (format == "json") return to_json(comparison).dump(2) + '\n';
  if (format == "csv") return comparison_csv(comparison);
  if (format == "md") return comparison_markdown(comparison);
  return comparison_table(comparison, result_width());
}

int run_compare(const Options& options) {
  if (options.as_json && !options.format.empty() && options.format != "json")
    throw InputError("format", options.format, "and --json are two formats: give one");
  std::vector<std::string> inputs{options.before};
  if (!options.after.empty()) inputs.push_back(options.after);
  check_outputs({{"out", options.out}}, inputs);
  const auto format = output_format(options.format, options.out, {"text", "md", "csv", "json"}, "text");
  const double threshold = parse_threshold(options.threshold);
  const auto before = analyze(read_stores({options.before}));
  Comparison comparison;
  if (options.after.empty()) {
    const auto pair = find_pair(before, options.before);
    comparison = compare_paired(*pair.before, *pair.after, threshold);
  } else {
    const auto after = analyze(read_stores({options.after}));
    const auto pair = find_runs(before, after, options);
    comparison = compare_sessions(*pair.before, *pair.after,
                                  options.absolute ? ComparisonBasis::kAbsolute : ComparisonBasis::kRelative,
                                  threshold);
  }
  if (!options.out.empty()) {
    write_text_file(options.out, text_of(comparison, format));
    print_error("wrote {}\n", options.out);
  }
  const auto printed = options.as_json ? "json" : options.out.empty() ? format : "text";
  fmt::print("{}", text_of(comparison, printed));
  return exit_code_of(comparison.outcome());
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_code) {
  Command command(app, "compare", "Did kernels become slower? Two builds, or two stores");
  command.footer(
      R"(With one store: the two builds that 'attnbench run --against' measured together; in each process the quotient of their
medians over the blocks that both have. With two stores: each kernel's ratio to the baseline, new over old, since the
two sessions share nothing else. A slowdown that all kernels share, the baseline among them, is not in these ratios;
--absolute compares the times themselves, on one machine. The drift between two sessions is in no interval.

Each kernel that the old one has times of has a line that ends in one of
  passed        with 95 % confidence not slower by more than the threshold: 'limit' (one-sided) is within it
  REGRESSION    shown to be slower by more than the threshold (one-sided; 5 % for all kernels and N together)
  LOST          gone, unsupported, wrong, quarantined or failed in the new one
  not decided   neither is shown, also of a kernel that is slower where it is not shown by how much: more processes may
                tell; fewer than five; a cell whose verdicts 'analyze' withholds in either, or that the new one did
                not measure, or with other threads or another baseline
The comparison passes if each kernel passes. Taken together that is one test of 'some kernel is slower by more than the
threshold', and it passes wrongly in at most 5 % of comparisons, however many kernels there are.

Exit codes: 0 passed; 1 a regression or a lost kernel, whatever else is not decided, since more processes would not
take it back; 2 bad input; 3 not decided, also where nothing can be compared.

Examples:
  attnbench run paper --profile publish --against ./attnbench-1.0 --out pair.db
  attnbench compare pair.db
  attnbench compare old.db new.db --threshold 5%
  attnbench compare pair.db -o comment.md
  attnbench compare old.db new.db --absolute)");
  const auto options = std::make_shared<Options>();
  command.add_option("OLD", options->before, "Store of the old build, or of both").required();
  command.add_option("NEW", options->after, "Store of the new build");
  command.add_option("--threshold", options->threshold, "How much slower is a regression: 2% or 0.02")
      .capture_default_str();
  command.add_flag(
      "--absolute", options->absolute,
      "Two stores of one machine: compare times, not ratios to the baseline (one store: always)");
  command.add_output_option("-o,--out", options->out, "File to write, by its ending: .md, .csv or .json");
  command.add_option("--format", options->format, "text, md (fit for a pull request), csv or json")
      .default_str("by the ending of --out, else text");
  command.add_flag("--json", options->as_json, "Print the results as JSON");
  command.callback([options, &exit_code] { exit_code = run_compare(*options); });
}

}  // namespace attnbench
