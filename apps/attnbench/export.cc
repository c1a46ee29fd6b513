#include "store/export.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "attnbench/error.h"
#include "commands.h"
#include "report/table.h"
#include "store/store.h"

namespace attnbench {
namespace {

struct Options {
  std::string store;
  std::string format = "csv";
  std::string out;
  bool as_json = false;
};

void export_store(const Store& store, const std::string& out) {
  if (out.empty())
    throw InputError("out", "", "is needed for --format sqlite: name a file that is not there yet");
  if (std::filesystem::exists(out)) throw InputError("out", out, "exists; a store is never overwritten");
  Store::open(out, Store::Mode::write).add_contents(all_contents(store));
}

std::string tables(const Store& store, const std::string& format) {
  std::string text;
  for (const auto& run : analyze(all_contents(store)).runs)
    text += (text.empty() ? "" : "\n") + (format == "md" ? markdown_table(run) : latex_table(run));
  return text;
}

void run_export(const Options& options) {
  const auto store = Store::open(options.store, Store::Mode::read);
  if (options.as_json && options.out.empty())
    throw InputError("json", "--json", "tells what was written and needs --out");
  nlohmann::json written = {options.out};
  if (options.format == "sqlite") {
    export_store(store, options.out);
  } else if (options.format == "md" || options.format == "tex") {
    const auto text = tables(store, options.format);
    options.out.empty() ? fmt::print("{}", text) : write_text_file(options.out, text);
  } else {
    const auto runs = all_contents(store);
    const auto text = options.format == "csv" ? samples_csv(runs) : samples_jsonl(runs);
    if (options.out.empty()) {
      fmt::print("{}", text);
      fmt::print(stderr, "attnbench: the environment is not in this output; --out NAME.{} also writes it\n",
                 options.format);
    } else {
      const auto beside = environment_file(options.out);
      write_text_file(options.out, text);
      write_text_file(beside, environment_text(runs));
      written.push_back(beside);
    }
  }
  if (options.as_json) {
    fmt::print("{}\n", nlohmann::json{{"format", options.format}, {"written", written}}.dump(2));
  } else if (!options.out.empty()) {
    for (const auto& file : written) fmt::print(stderr, "wrote {}\n", file.get<std::string>());
  }
}

}  // namespace

void add_export_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("export", "Write a store's samples or tables in another format");
  command->footer(
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
  command->add_option("STORE", options->store, "Store to read")->required();
  command->add_option("--format", options->format, "csv, jsonl, md, tex or sqlite")
      ->check(CLI::IsMember({"csv", "jsonl", "md", "tex", "sqlite"}))
      ->capture_default_str();
  command->add_option("--out", options->out, "File to write; without it, standard output (not for sqlite)");
  command->add_flag("--json", options->as_json, "Print the names of the files written as JSON");
  command->callback([options, &exit_code] {
    run_export(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
