#include "store/export.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "command.h"
#include "commands.h"
#include "io/files.h"
#include "io/standard_streams.h"
#include "output_format.h"
#include "report/table.h"
#include "store/store.h"
#include "stores.h"

namespace attnbench {
namespace {

struct Options {
  std::string store;
  std::string format;  ///< known once the options are checked
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

/// Samples have their environment beside them, but nothing lies beside a pipe.
bool has_environment(const Options& options) {
  const bool samples = options.format == "csv" || options.format == "jsonl" || options.format == "json";
  return samples && !options.out.empty() && kind_of_file(options.out, "out") != FileKind::stream &&
         !is_standard_stream(options.out);
}

/// Sets the format.
void check_options(Options& options) {
  if (options.as_json && !options.format.empty() && options.format != "json")
    throw InputError("format", options.format, "and --json are two formats: give one");
  options.format = output_format(options.as_json ? "json" : options.format, options.out,
                                 {"csv", "jsonl", "json", "md", "tex", "sqlite"}, "csv");
  if (options.format == "sqlite" || options.out.empty()) return;
  std::vector<Output> outputs{{"out", options.out}};
  if (has_environment(options)) outputs.push_back({"out", environment_file(options.out)});
  check_outputs(outputs, {options.store});
}

/// The lines as one array.
std::string json_array(const std::string& lines) {
  std::string text = "[";
  const char* separator = "\n";
  for (std::size_t begin = 0; begin < lines.size();) {
    const auto end = lines.find('\n', begin);
    text += separator + lines.substr(begin, end - begin);
    separator = ",\n";
    begin = end + 1;
  }
  return text + "\n]\n";
}

std::string samples(const std::vector<RunContents>& runs, const std::string& format) {
  if (format == "csv") return samples_csv(runs);
  return format == "jsonl" ? samples_jsonl(runs) : json_array(samples_jsonl(runs));
}

void run_export(Options options) {
  check_options(options);
  const auto store = Store::open(options.store, Store::Mode::read);
  std::vector<std::string> written = {options.out};
  if (options.format == "sqlite") {
    export_store(store, options.out);
  } else if (options.format == "md" || options.format == "tex") {
    const auto text = tables(store, options.format);
    options.out.empty() ? fmt::print("{}", text) : write_text_file(options.out, text);
  } else {
    const auto runs = all_contents(store);
    const auto text = samples(runs, options.format);
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
  if (options.out.empty()) return;
  for (const auto& file : written) print_error("wrote {}\n", file);
}

}  // namespace

void add_export_command(CLI::App& app, int& exit_code) {
  Command command(app, "export", "Write a store's samples or tables in another format");
  command.footer(
      "Formats, said by the ending of --out or by --format:\n"
      "  csv, jsonl  one line a sample; the environment and everything else goes to NAME.env.json beside "
      "it,\n"
      "              and 'attnbench import' makes a store of csv and environment again\n"
      "  json        the same as one array\n"
      "  md, tex     the table of each run; .md is fit for a pull request\n"
      "  sqlite      a copy of the store (.db)\n"
      "Examples:\n"
      "  attnbench export paper.db -o paper.csv\n"
      "  attnbench export paper.db --format md\n"
      "  attnbench export paper.db -o copy.db");
  const auto options = std::make_shared<Options>();
  command.add_option("STORE", options->store, "Store to read").required();
  command.add_option("--format", options->format, "csv, jsonl, json, md, tex or sqlite")
      .default_str("by the ending of --out, else csv");
  command.add_output_option("-o,--out", options->out,
                            "File to write; without it, standard output (not for sqlite)");
  command.add_flag("--json", options->as_json, "Print the samples as JSON: --format json");
  command.callback([options, &exit_code] {
    run_export(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
