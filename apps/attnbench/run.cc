#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/compare.h"
#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "dry_run.h"
#include "io/files.h"
#include "io/standard_streams.h"
#include "output_format.h"
#include "plan/find_study.h"
#include "plan/ranges.h"
#include "report/answer.h"
#include "report/comparison_table.h"
#include "report/peers_table.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text_width.h"
#include "run/conductor/conduct.h"
#include "run/conductor/resume.h"
#include "run/environment/executable.h"
#include "run/external/load.h"
#include "run/external/peers.h"
#include "run/worker/memory_fit.h"
#include "store/export.h"
#include "study_options.h"
#include "terminal.h"

namespace attnbench {
namespace {

constexpr int kMostOfEach = 1000;  ///< processes and blocks, as in a study

struct RunArguments {
  bool resumes = false;                ///< `out` is there and says what to measure
  std::optional<std::string> study;    ///< "paper" where not given
  std::string model;                   ///< in its place
  std::optional<std::string> profile;  ///< "quick"
  std::string out;
  std::string launcher;
  std::string program;
  std::string against;
  std::string budget;
  std::vector<std::string> plugins;
  bool peers = false;
  std::optional<std::string> seed;  ///< "1"
  int processes = 0, blocks = 0;    ///< 0: the profile's, or a cell's own
  double kernel_limit_seconds = 60;
  bool dry_run = false;
  bool json = false;
  bool accept_noise = false;
  bool quiet = false;
  std::string wait_quiet;
  std::string ceilings;
  std::shared_ptr<const StudyOptions> changes;
};

std::string default_store(const RunOptions& options) {
  make_folder("results");
  return fmt::format("results/{}-{}-{:%Y%m%dT%H%M%SZ}.db", options.study.name, options.profile.name,
                     fmt::gmtime(std::time(nullptr)));
}

/// Where the samples of a store go. Refused before anything is measured: a file that could not be written,
/// and one that is not this store's own.
std::string samples_file(const std::string& store) {
  const std::filesystem::path path(store);
  if (path.extension() == ".csv")
    throw InputError("out", store, "names the samples' file: give the store another ending, as .db");
  require_store_name(store);
  const auto csv = path.extension() == ".db" ? std::filesystem::path(path).replace_extension(".csv").string()
                                             : store + ".csv";
  for (const auto& file : {csv, environment_file(csv)}) {
    const auto kind = kind_of_file(file, "out");
    if (kind == FileKind::none) continue;
    if (kind != FileKind::file)
      throw InputError("out", store, fmt::format("cannot have its samples beside it: {} is no file", file));
    if (kind_of_file(store, "out") == FileKind::none)
      throw InputError("out", store, fmt::format("is a new store, and {} is there: it would be lost", file));
  }
  if (kind_of_file(csv, "out") != FileKind::none) {
    std::string header;
    std::getline(std::ifstream(csv), header);
    if (header + '\n' != samples_csv({}))
      throw InputError("out", store,
                       fmt::format("would replace {}, which does not hold samples of AttnBench", csv));
  }
  return csv;
}

/// As any POSIX shell reads it back.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+:,./-";
  const auto name_end = word.starts_with("--") ? word.find('=') : std::string::npos;
  const auto rest = name_end == std::string::npos ? 0 : name_end + 1;
  const bool plain = word.find_first_not_of(kPlain, rest) == std::string::npos &&
                     word.substr(0, rest).find_first_not_of(kPlain) + 1 == rest;
  if (plain && !word.empty()) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + '\'';
}

/// The command line again, with the store named, as it would be typed to go on.
std::string command_to_go_on(char** argv, const RunOptions& options, bool names_store) {
  std::string command;
  for (char** word = argv; *word != nullptr; ++word) command += (command.empty() ? "" : " ") + quoted(*word);
  return names_store ? command : fmt::format("{} --out {}", command, quoted(options.out));
}

/// What is stored with the plan: the command line without what decides nothing about the measurement or names
/// places of one machine. Of programs and files the name alone is kept.
std::string portable_command(char** argv) {
  constexpr std::array kLeftOut{"--out",        "-o",        "--launcher", "--worker-program",
                                "--wait-quiet", "--ceilings"};
  constexpr std::array kFlagsLeftOut{"--quiet", "--json"};
  const auto is_in = [](const auto& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  std::string command = "attnbench";
  std::error_code ignored;  // a value that can be no path is no file
  for (char** word = argv + 1; *word != nullptr; ++word) {
    const std::string text = *word;
    const auto equals = text.starts_with("--") ? text.find('=') : std::string::npos;
    const auto name = text.substr(0, equals);
    if (is_in(kFlagsLeftOut, name)) continue;
    if (text.starts_with("-o") && text.size() > 2) continue;  // "-oFILE"
    if (is_in(kLeftOut, name)) {
      if (equals == std::string::npos && word[1] != nullptr) ++word;
      continue;
    }
    auto value = equals == std::string::npos ? text : text.substr(equals + 1);
    // No other value has a slash, but filters of kernels (mha/unfused), which are no files.
    if (std::filesystem::is_regular_file(value, ignored) || std::filesystem::is_directory(value, ignored)) {
      value.erase(value.find_last_not_of('/') + 1);
      value = std::filesystem::path(value).filename().string();
    }
    command += " " + quoted(equals == std::string::npos ? value : name + "=" + value);
  }
  return command;
}

/// The parser of options takes -1 and what is above 64 bits for the largest number.
std::uint64_t parse_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  if (error != std::errc{} || stop != end || text.empty())
    throw InputError("seed", text, "is not a whole number from 0 to 18446744073709551615");
  return seed;
}

double checked_kernel_limit(double seconds) {
  constexpr double kDay = 24 * 60 * 60;
  if (!(seconds > 0))
    throw InputError("kernel-timeout", fmt::format("{:g}", seconds), "is not a positive time");
  if (seconds > kDay) {
    throw InputError("kernel-timeout", fmt::format("{:g}", seconds),
                     fmt::format("is more than a day ({:g} seconds)", kDay));
  }
  return seconds;
}

/// Where the command line names an existing store and no other study than its own, what it leaves open is
/// what the store holds: the plan of a run need not be typed twice. A study from a file is read again: it may
/// have changed.
void take_stored_plan(const RunArguments& arguments, RunOptions& options) {
  const bool changed = !arguments.changes->empty() || arguments.processes > 0 || arguments.blocks > 0;
  if (arguments.out.empty() || changed) return;
  const auto stored = stored_plan(arguments.out);
  if (!stored) return;
  if (arguments.study) {
    std::error_code ignored;
    const bool is_file = std::filesystem::is_regular_file(*arguments.study, ignored);
    if (is_file || options.study.name != stored->study.name) return;
  }
  options.study = stored->study;
  if (!arguments.profile) options.profile = stored->profile;
  if (!arguments.seed) options.seed = stored->seed;
  const bool accept_noise = options.accept_noise || stored->accept_noise;
  const bool the_same = accept_noise == options.accept_noise && options.command == stored->command;
  options.accept_noise = accept_noise;
  if (!the_same && !options.quiet) {
    fmt::print(stderr, "{} goes on by its own plan{}\n", arguments.out,
               stored->command.empty() ? "" : ": " + stored->command);
  }
}

/// --processes and --blocks, which hold for every cell, also one with numbers of its own. Single calls are
/// made as the profile says.
void set_amounts(const RunArguments& arguments, RunOptions& options) {
  if (arguments.processes > 0) {
    if (options.profile.stops_on_width) {
      throw InputError("processes", std::to_string(arguments.processes),
                       fmt::format("cannot go with profile {}, which measures until the intervals are narrow",
                                   options.profile.name));
    }
    options.profile.processes = {arguments.processes};
    for (auto& cell : options.study.cells) cell.processes = 0;
  }
  if (arguments.blocks > 0) {
    options.profile.blocks = arguments.blocks;
    for (auto& cell : options.study.cells) cell.blocks = 0;
  }
}

/// Words of a stored command line.
bool asks_for_peers(const StoredPlan& plan) {
  const auto words = split_words(plan.command);
  return std::find(words.begin(), words.end(), "--peers") != words.end();
}

StoredPlan plan_to_resume(const std::string& store) {
  if (kind_of_file(store, "store") == FileKind::none)
    throw InputError("store", store, "is not there: 'attnbench run' begins one");
  const auto stored = stored_plan(store);
  if (!stored)
    throw InputError("store", store, "holds no plan to go on with: nothing, several runs, or imported data");
  return *stored;
}

/// The study of a model: its configuration, the folder that holds it, or a name that is built in.
std::string study_of_model(const std::string& model) {
  const auto kind = kind_of_file(model, "model");
  if (kind == FileKind::folder && !model.ends_with("/config.json")) {
    const auto config = (std::filesystem::path(model) / "config.json").string();
    if (kind_of_file(config, "model") == FileKind::file) return config;
  }
  const auto names = model_names();
  const bool is_built_in = std::find(names.begin(), names.end(), model) != names.end();
  if (is_built_in || (kind == FileKind::file && model.ends_with(".json"))) return model;
  throw InputError("model", model,
                   fmt::format("is neither a config.json, nor a folder with one, nor one of {}{}",
                               fmt::join(names, ", "), suggestion(model, names)));
}

RunOptions to_options(const RunArguments& given, char** argv) {
  auto arguments = given;
  if (!arguments.model.empty()) {
    if (arguments.study)
      throw InputError("model", arguments.model, "and a study are two things to measure: give one");
    arguments.study = study_of_model(arguments.model);
  }
  std::optional<StoredPlan> resumed;
  if (arguments.resumes) resumed = plan_to_resume(arguments.out);
  RunOptions options;
  options.command = resumed ? resumed->command : portable_command(argv);
  for (const auto& plugin : arguments.plugins) {
    options.launch.plugins.push_back(std::filesystem::absolute(plugin).string());
    load_kernels(options.launch.plugins.back(), allowed_cpus(), false);
  }
  if (arguments.peers || (resumed && asks_for_peers(*resumed))) {
    auto peers = load_peers(allowed_cpus(), options.launch.plugins);
    for (const auto& engine : peers.missing) print_error("peer {}: {}\n", engine.name, engine.reason);
    options.missing_engines = std::move(peers.missing);
    options.launch.plugins.insert(options.launch.plugins.end(), peers.files.begin(), peers.files.end());
  }
  if (!resumed) options.study = find_changed_study(arguments.study.value_or("paper"), *arguments.changes);
  options.profile = parse_profile(arguments.profile.value_or("quick"));
  set_amounts(arguments, options);
  options.seed = parse_seed(arguments.seed.value_or("1"));
  options.launch.launcher = split_words(arguments.launcher);
  options.launch.program = arguments.program.empty() ? own_path() : arguments.program;
  if (!arguments.against.empty()) {
    const bool local = arguments.launcher.empty();
    if (local && kind_of_file(arguments.against, "against") != FileKind::file)
      throw InputError("against", arguments.against, "is no program: name the attnbench of the other build");
    options.against = local ? std::filesystem::absolute(arguments.against).string() : arguments.against;
  }
  if (!arguments.budget.empty()) options.budget_seconds = parse_seconds("budget", arguments.budget);
  options.kernel_limit_seconds = checked_kernel_limit(arguments.kernel_limit_seconds);
  options.accept_noise = arguments.accept_noise;
  options.quiet = arguments.quiet;
  take_stored_plan(arguments, options);
  if (options.accept_noise && options.profile.name == "publish") {
    throw InputError("accept-noise", "publish", "cannot go together: a publication needs the noise guard");
  }
  if (!arguments.ceilings.empty()) {
    if (options.profile.name == "publish")
      throw InputError("ceilings", "publish", "cannot go together: a publication measures its ceilings");
    options.ceilings = read_earlier_ceilings(arguments.ceilings);
  }
  if (!arguments.wait_quiet.empty())
    options.wait_quiet_seconds = parse_seconds("wait-quiet", arguments.wait_quiet);
  return options;
}

std::string pair_table(const Analysis& analysis, const std::string& store) {
  constexpr double kThreshold = 0.02;  // the default of `attnbench compare`
  const auto pair = find_pair(analysis, store);
  return comparison_table(compare_paired(*pair.before, *pair.after, kThreshold), result_width());
}

/// What to type next.
std::string next_lines(const RunAnalysis& run, const std::string& store) {
  auto text = fmt::format("report:   attnbench report {0}\nverdicts: attnbench analyze {0}\n", quoted(store));
  const bool too_few = std::any_of(run.groups.begin(), run.groups.end(), [](const auto& group) {
    return std::any_of(group.cells.begin(), group.cells.end(),
                       [](const auto& cell) { return cell.withheld.starts_with("too few processes"); });
  });
  if (too_few && run.run.profile == "quick")
    text += "more:     the same command with --profile spec, into another store\n";
  return text;
}

/// Results go to standard output, all of them before what follows on standard error. Where they cannot be
/// written the program's exit code tells, and here is said where they are kept.
void print_results(const std::string& text, const std::string& store, const std::string& csv) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  print_error("the results cannot be written here; what was measured is kept in {} and {}\n", store, csv);
}

bool measured_nothing(const std::vector<RunContents>& runs) {
  return std::all_of(runs.begin(), runs.end(), [](const auto& run) {
    return std::none_of(run.processes.begin(), run.processes.end(), [](const auto& p) { return p.valid; });
  });
}

int exit_code_of(const RunOutcome& outcome, const Analysis& analysis, bool nothing_measured) {
  constexpr int kInterrupted = 130;  // the shell's code for a command ended by Ctrl-C
  if (outcome.interrupted) return kInterrupted;
  if (outcome.kernel_failed) return kKernelFailed;
  const bool unpublishable = std::any_of(analysis.runs.begin(), analysis.runs.end(), [](const auto& run) {
    return run.publishable.value_or(Publishable::yes) != Publishable::yes;
  });
  return nothing_measured || outcome.cell_without_result || unpublishable ? kNotPublishable : kDone;
}

int run(const RunArguments& arguments, char** argv) {
  auto options = to_options(arguments, argv);
  if (arguments.dry_run) {
    fmt::print("{}", arguments.json ? dry_run_json(options).dump(2) + "\n"
                                    : wrapped(dry_run_text(options), result_width()));
    return kDone;
  }
  require_cell_that_fits(options.study, known_memory_bytes(options));
  options.out = arguments.out.empty() ? default_store(options) : arguments.out;
  const auto csv = samples_file(options.out);
  const auto outcome = conduct(options);
  const auto tell_how_to_go_on = [&](const char* why) {
    print_error("{}. To go on:\n  {}\n", why, command_to_go_on(argv, options, !arguments.out.empty()));
  };
  const auto store = Store::open(options.out, Store::Mode::read);
  const auto contents = all_contents(store);
  if (contents.empty()) {  // interrupted before the first run was stored
    tell_how_to_go_on("interrupted before anything was measured");
    return exit_code_of(outcome, {}, true);
  }
  write_text_file(csv, samples_csv(contents));
  write_text_file(environment_file(csv), environment_text(contents));
  const auto analysis = analyze(contents);
  std::string text;
  if (arguments.json) {
    text = summary_json(analysis, {}).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  } else {
    text = run_table(analysis.runs.front(), result_width());
    if (!options.against.empty()) text += '\n' + pair_table(analysis, options.out);
    if (const auto peers = peers_lines(analysis.runs.front()); !peers.empty())
      text += '\n' + wrapped(peers, result_width());
    text += '\n' + answer_lines(analysis.runs.front(), result_width());
    text += fmt::format("store:    {}\ncsv:      {}\n", options.out, csv);
    text += next_lines(analysis.runs.front(), options.out);
  }
  print_results(text, options.out, csv);
  if (outcome.interrupted) {
    tell_how_to_go_on("interrupted; all finished processes are kept");
  } else if (outcome.too_noisy) {
    tell_how_to_go_on("stopped, since every process was rejected; all of them are kept");
  } else if (outcome.budget_spent) {
    tell_how_to_go_on("the budget is spent; for narrower intervals and the other cells");
  } else if (outcome.cell_incomplete) {
    tell_how_to_go_on("fewer processes than planned, see above");
  }
  const bool nothing = measured_nothing(contents);
  const bool no_process =
      std::all_of(contents.begin(), contents.end(), [](const auto& run) { return run.processes.empty(); });
  if (no_process && !outcome.interrupted)
    print_error("nothing was measured: no kernel of any cell was timed; the table gives the reasons\n");
  return exit_code_of(outcome, analysis, nothing);
}

/// How and where to measure, which is no part of the plan.
void add_machine_options(Command& command, RunArguments& arguments) {
  command.add_option(
      "--budget", arguments.budget,
      "Lower the number of processes to fit: 90s, 20m, 1h30m; with profile report the time to spend (10m)");
  command.add_option("--launcher", arguments.launcher, "Words that start workers elsewhere: 'ssh host'");
  command.add_option("--worker-program", arguments.program, "Path of attnbench where the workers run");
  command.add_option("--against", arguments.against,
                     "Program of another build: its workers take turns with this one's, for `compare`");
  command
      .add_option("--plugin", arguments.plugins,
                  "Shared object (.so) with further kernels, or a program that is an engine")
      .delimiter(',');
  command.add_flag("--peers", arguments.peers,
                   "Load the engines of other makers that come with AttnBench (docs/external-kernels.md)");
  command.add_option("--kernel-timeout", arguments.kernel_limit_seconds, "Seconds after which a kernel hangs")
      .capture_default_str();
  command.add_option(
      "--wait-quiet", arguments.wait_quiet,
      "Wait until nothing disturbs the machine, before measuring and after each rejected process, "
      "for at most this long in all: 10m");
  command.add_flag("--json", arguments.json, "Print the results as JSON in place of the tables");
  command.add_flag("--quiet", arguments.quiet, "No progress");
}

}  // namespace

void add_run_command(CLI::App& app, char** argv, int& exit_code) {
  Command command(app, "run", "Measure a study on this machine (default: the paper study, quick)");
  command.footer(
      table_legend() +
      "\nExit codes: 0 done, 2 bad input or workers that do not start, 3 not publishable, or in part, or "
      "nothing measured,\n4 a kernel failed or was wrong, 130 ended by Ctrl-C (all finished processes are "
      "kept).\nA terminal that goes away does not end a run.\n\n"
      "Examples:\n"
      "  attnbench run\n"
      "  attnbench run --profile report            # verdicts in ten minutes, those of f32 first\n"
      "  attnbench run paper --profile spec --out paper.db\n"
      "  attnbench run paper --seqlen 128..4096*2 --mechanism mha,swa --dtype bf16 --threads 1\n"
      "  attnbench run paper --kernel linear,gather,'block_sparse(bs=32,globals=1)/fused'\n"
      "  attnbench run long --budget 20m\n"
      "  attnbench run --model Llama-3-8B/config.json --budget 20m\n"
      "  attnbench run peers --peers               # ours against every engine that is there\n"
      "  attnbench run paper --wait-quiet 30m\n"
      "  attnbench run paper --profile spec --against ./attnbench-1.0 --out pair.db\n"
      "  attnbench run decode --launcher 'ssh host' --out host.db\n"
      "  attnbench run --out paper.db              # goes on with it");
  const auto arguments = std::make_shared<RunArguments>();
  command.add_option("study", arguments->study, "Name of a study or path of a TOML file")
      .default_str("paper");
  command.add_option(
      "--model", arguments->model,
      "In place of a study the attention of a model: its Hugging Face config.json, the folder that "
      "holds it, or a name (llama3-8b, mistral-7b, gemma2-9b, gpt2-small, qwen25-7b)");
  command.add_option("--profile", arguments->profile, "quick, report, spec or publish").default_str("quick");
  command
      .add_option("--processes", arguments->processes,
                  "Processes a cell, in place of the profile's number (not with report or publish)")
      .range(1, kMostOfEach);
  command.add_option("--blocks", arguments->blocks, "Blocks a process, in place of the profile's number")
      .range(1, kMostOfEach);
  command.add_output_option(
      "-o,--out", arguments->out,
      "Store to write; an unfinished one is resumed, by the plan it holds where none is given");
  command.add_option("--seed", arguments->seed, "Seed of orders and data: 0 to 2^64 - 1").default_str("1");
  add_machine_options(command, *arguments);
  command.add_flag("--dry-run", arguments->dry_run,
                   "Show cells, bytes, time and unsupported kernels; measure nothing");
  command.add_flag(
      "--accept-noise", arguments->accept_noise,
      "Record noise but let it invalidate nothing (trials on a busy machine; the table says so)");
  command.add_option("--ceilings", arguments->ceilings,
                     "Output of `attnbench env --json` on this machine: its ceilings are taken instead of "
                     "measuring those of as many threads (trials; the table says so)");
  arguments->changes = add_study_options(command);
  command.callback([arguments, argv, &exit_code] { exit_code = run(*arguments, argv); });
}

void add_resume_command(CLI::App& app, char** argv, int& exit_code) {
  Command command(app, "resume", "Go on with a run that was interrupted, by the plan its store holds");
  command.footer(
      "What was measured stays; what is missing is measured. A plugin or another build that the run had is\n"
      "named again. Exit codes as of 'attnbench run'.\n\n"
      "Examples:\n"
      "  attnbench resume paper.db\n"
      "  attnbench resume paper.db --budget 20m --wait-quiet 10m\n"
      "  attnbench resume pair.db --against ./attnbench-1.0");
  const auto arguments = std::make_shared<RunArguments>();
  arguments->resumes = true;
  arguments->changes = std::make_shared<const StudyOptions>();
  command.add_option("STORE", arguments->out, "The store of the run").required();
  add_machine_options(command, *arguments);
  command.callback([arguments, argv, &exit_code] { exit_code = run(*arguments, argv); });
}

}  // namespace attnbench
