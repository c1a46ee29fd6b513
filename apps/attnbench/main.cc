#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "commands.h"
#include "core/parallel.h"
#include "io/standard_streams.h"
#include "report/text_width.h"
#include "store/error.h"
#include "terminal.h"

namespace attnbench {
namespace {

/// CLI11 reports a misspelt command as a missing one.
void require_known_command(const CLI::App& app, const std::string& word) {
  if (word.starts_with('-')) return;
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == word) return;
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  throw InputError("command", word,
                   fmt::format("is not one of {}{}", fmt::join(names, ", "), suggestion(word, names)));
}

/// Names the first unknown option with the nearest ones of the command.
void report_unknown(const CLI::App& app, const CLI::ExtrasError& error) {
  const CLI::App* command = &app;
  for (const auto* used : app.get_subcommands()) command = used;
  for (const auto& word : command->remaining()) {
    if (!word.starts_with('-')) continue;
    std::vector<std::string> names;
    for (const auto* option : command->get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
    const auto name = word.substr(0, word.find('='));
    print_error("attnbench: option: '{}' is not one of {}{}\n", name, command->get_name(),
                suggestion(name, names));
    return;
  }
  print_error("attnbench: {}\n", error.what());
}

/// No line of it is broken by the terminal.
std::string on_terminal(const std::string& help) { return wrapped(help, result_width()); }

/// The commands, whatever was asked for.
std::string program_help(const CLI::App& app) {
  return on_terminal(app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal));
}

void add_help_command(CLI::App& app, int& exit_code) {
  const auto name = std::make_shared<std::string>();
  auto* command = app.add_subcommand("help", "Show the commands, or what one of them takes");
  command->add_option("COMMAND", *name, "The command to show");
  command->callback([&app, &exit_code, name] {
    if (!name->empty()) require_known_command(app, *name);
    fmt::print("{}", name->empty() ? program_help(app)
                                   : on_terminal(app.get_subcommand(*name)->help(app.get_name())));
    exit_code = kDone;
  });
}

/// What a full disk behind standard output would otherwise lose in silence.
bool output_is_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  print_error("attnbench: standard output: cannot be written\n");
  return false;
}

/// The command's exit code, whatever becomes of standard output.
int run_program(int argc, char** argv) {
  int exit_code = kDone;
  CLI::App app{"AttnBench: which attention mechanism, in which implementation, is fastest on this machine",
               "attnbench"};
  app.footer(
      "First steps: 'attnbench run smoke' measures for seconds, 'attnbench run' the published study.\n"
      "'attnbench help COMMAND' shows what a command takes, with examples.\n\n"
      "Exit codes: 0 done; 1 a comparison or gate failed, or a kernel was lost; 2 usage or bad input;\n"
      "3 not publishable or only in part, not decided, or nothing measured; 4 a kernel failed or was wrong;\n"
      "70 an internal error: a fault of this program; 130 ended by Ctrl-C.");
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("{} (commit {})", ATTNBENCH_VERSION, built_commit()));
  add_run_command(app, argv, exit_code);
  add_resume_command(app, argv, exit_code);
  add_analyze_command(app, exit_code);
  add_report_command(app, exit_code);
  add_compare_command(app, exit_code);
  add_claims_command(app, exit_code);
  add_export_command(app, exit_code);
  add_import_command(app, exit_code);
  add_verify_command(app, argv, exit_code);
  add_list_command(app, exit_code);
  add_env_command(app, exit_code);
  add_tune_command(app, exit_code);
  add_dispatch_command(app, exit_code);
  add_help_command(app, exit_code);
  add_worker_command(app, argv, exit_code);
  if (argc == 1) {
    print_error("{}\nattnbench: a subcommand is needed: one of those above\n", program_help(app));
    return kBadInput;
  }
  try {
    require_known_command(app, argv[1]);
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto help = on_terminal(app.help());
    std::fwrite(help.data(), 1, help.size(), stdout);  // output_is_written() tells where it cannot be
    return kDone;
  } catch (const CLI::ExtrasError& error) {
    report_unknown(app, error);
    return kBadInput;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kBadInput;
  } catch (const InputError& error) {
    print_error("attnbench: {}\n", error.what());
    return kBadInput;
  } catch (const StoreError& error) {
    print_error("attnbench: {}\n", error.what());
    return kBadInput;
  } catch (const std::filesystem::filesystem_error& error) {
    print_error("attnbench: '{}': {}\n", error.path1().string(), error.code().message());
    return kBadInput;
  } catch (const std::exception& error) {
    if (std::ferror(stdout) != 0) return kBadInput;
    print_error("attnbench: internal error: {}\n", error.what());
    return kInternalError;
  }
  return exit_code;
}

}  // namespace
}  // namespace attnbench

int main(int argc, char** argv) {
  using namespace attnbench;
  keep_standard_streams();
  ask_for_full_teams();
  const int exit_code = run_program(argc, argv);
  return output_is_written() ? exit_code : kBadInput;
}
