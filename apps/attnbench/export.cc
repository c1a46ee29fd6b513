#include "store/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "command.h"
#include "commands.h"
#include "io/files.h"
#include "io/json.h"
#include "io/standard_streams.h"
#include "report/table.h"
#include "store/store.h"
#include "stores.h"

namespace attnbench {
namespace {

struct Options {
  std::string store;
  std::string format = "csv";
  std::string out;
  bool as_json = false;
};

/// A file that holds nothing may be there: a full disk leaves one.
void export_store(const Store& store, const std::string& out) {
  if (out.empty())
    throw InputError("out", "", "is needed for --format sqlite: name a file that is not there yet");
  auto copy = Store::open(out, Store::Mode::write);
  if (!copy.runs().empty()) throw InputError("out", out, "holds runs; a store is never overwritten");
  copy.add_contents(all_contents(store));
}

std::string tables(const Store& store, const std::string& format) {
  std::string text;
  for (const auto& run : analyze(all_contents(store)).runs)
    text += (text.empty() ? "" : "\n") + (format == "md" ? markdown_table(run) : latex_table(run));
  return text;
}

constexpr std::array kFormats{"csv", "jsonl", "md", "tex", "sqlite"};

void check_format(const std::string& format) {
  const std::vector<std::string> known(kFormats.begin(), kFormats.end());
  if (std::find(known.begin(), known.end(), format) != known.end()) return;
  throw InputError("format", format,
                   fmt::format("is not one of {}{}", fmt::join(known, ", "), suggestion(format, known)));
}

/// Samples have their environment beside them, but nothing lies beside a pipe.
bool has_environment(const Options& options) {
  return (options.format == "csv" || options.format == "jsonl") && !options.out.empty() &&
         kind_of_file(options.out, "out") != FileKind::stream && !is_standard_stream(options.out);
}

void check_options(const Options& options) {
  check_format(options.format);
  if (options.as_json && options.out.empty())
    throw InputError("json", "--json", "tells what was written and needs --out");
  if (options.format == "sqlite" || options.out.empty()) return;
  std::vector<Output> outputs{{"out", options.out}};
  if (has_environment(options)) outputs.push_back({"out", environment_file(options.out)});
  check_outputs(outputs, {options.store});
}

void run_export(const Options& options) {
  check_options(options);
  const auto store = Store::open(options.store, Store::Mode::read);
  nlohmann::json written = {options.out};
  if (options.format == "sqlite") {
    export_store(store, options.out);
  } else if (options.format == "md" || options.format == "tex") {
    const auto text = tables(store, options.format);
    options.out.empty() ? fmt::print("{}", text) : write_text_file(options.out, text);
  } else {
    const auto runs = all_contents(store);
    const auto text = options.format == "csv" ? samples_csv(runs) : samples_jsonl(runs);
    options.out.empty() ? fmt::print("{}", text) : write_text_file(options.out, text);
    if (!has_environment(options)) {
      std::fflush(stdout);
      print_error("attnbench: the environment is not in this output; --out NAME.{} also writes it\n",
                  options.format);
    } else {
      const auto beside = environment_file(options.out);
      write_text_file(beside, environment_text(runs));
      written.push_back(beside);
    }
  }
  if (options.as_json) {
    fmt::print("{}\n", json_text({{"format", options.format}, {"written", written}}, 2));
  } else if (!options.out.empty()) {
    for (const auto& file : written) print_error("wrote {}\n", file.get<std::string>());
  }
}

}  // namespace

void add_export_command(CLI::App& app, int& exit_code) {
  Command command(app, "export", "Write a store's samples or tables in another format");
  command.footer(
      "Formats:\n"
      "  csv, jsonl  one line a sample; the environment and everything else goes to NAME.env.json beside "
      "it,\n"
      "              and 'attnbench import' makes a store of csv and environment again\n"
      "  md, tex     the table of each run\n"
      "  sqlite      a copy of the store\n"
      "Examples:\n"
      "  attnbench export paper.db --out paper.csv\n"
      "  attnbench export paper.db --format md\n"
      "  attnbench export paper.db --format sqlite --out copy.db");
  const auto options = std::make_shared<Options>();
  command.add_option("STORE", options->store, "Store to read").required();
  command.add_option("--format", options->format, "csv, jsonl, md, tex or sqlite").capture_default_str();
  command.add_output_option("--out", options->out,
                            "File to write; without it, standard output (not for sqlite)");
  command.add_flag("--json", options->as_json, "Print the names of the files written as JSON");
  command.callback([options, &exit_code] {
    run_export(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
