// Does `attnbench compare` see a kernel that became 5 % slower, and nothing else? Repeats a paired comparison
// of two builds in which one of three kernels waits for 5 % of its own time, and prints a Markdown table:
//
//   cmake -S . -B build/bench -DATTNBENCH_BENCH=ON && cmake --build build/bench
//   build/bench/bench/bench_power --out power
//
// The stores stay under --out: `attnbench compare power/1.db` shows a repeat, and the same command resumes.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "analysis/compare.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "plan/find_study.h"
#include "run/conductor/conduct.h"
#include "run/environment/executable.h"
#include "store/import.h"

namespace {

using namespace attnbench;

constexpr auto kSlowdownVariable = "ATTNBENCH_POWER_SLOWDOWN";
constexpr auto kProgramVariable = "ATTNBENCH_POWER_PROGRAM";
constexpr auto kSlowedKernel = "mha/slowed@power";

constexpr auto kStudy = R"(
name = "power"
description = "One cell with three kernels, one of which becomes slower"

[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 1
batch = 1
heads = 4
head_dim = 64
seqlen = 128
softmax_scale = "rsqrt"
mechanisms = ["mha"]
kernels = ["@power"]
baseline = "mha/unchanged1@power"
)";

struct Arguments {
  std::string out = "power";
  std::string program, plugin;
  int repeats = 20;
  int processes = 15;
  int blocks = 20;
  double slowdown = 0.05;
  bool accept_noise = false;
};

/// The slowed build: this program, called as attnbench is, starts attnbench's worker with the slowdown set.
int run_as_slowed_worker(char** argv) {
  const char* program = std::getenv(kProgramVariable);
  const char* slowdown = std::getenv("ATTNBENCH_POWER_OF_SLOWED");
  if (program == nullptr || slowdown == nullptr) {
    fmt::print(stderr, "bench_power: 'worker' is started by bench_power alone\n");
    return 2;
  }
  setenv(kSlowdownVariable, slowdown, 1);
  execv(program, argv);
  fmt::print(stderr, "bench_power: cannot start {}\n", program);
  return 2;
}

RunOptions options_of(const Arguments& arguments, int repeat) {
  RunOptions options;
  options.study = load_study(kStudy, "power");
  options.profile = parse_profile("spec");
  options.profile.processes = {arguments.processes};
  options.profile.blocks = arguments.blocks;
  options.profile.unbatched_calls = 0;
  options.profile.warmup_limit_seconds = 0.25;
  // Processes count up from the seed: each repeat draws memory layouts of its own.
  options.seed = static_cast<std::uint64_t>(repeat) * 1000;
  options.out = fmt::format("{}/{}.db", arguments.out, repeat);
  options.launch.program = own_path();
  options.launch.plugins = {arguments.plugin};
  options.against = arguments.program;
  options.accept_noise = arguments.accept_noise;
  return options;
}

struct Repeat {
  Comparison comparison;
  int processes = 0;  ///< of both builds that count; fewer than asked for where the noise guard rejects many
};

Repeat measure(const Arguments& arguments, int repeat) {
  constexpr double kThreshold = 0.02;  // the default of `attnbench compare`
  const auto options = options_of(arguments, repeat);
  if (conduct(options).interrupted) throw std::runtime_error("interrupted; the same command goes on");
  const auto analysis = analyze(read_runs(options.out));
  const auto pair = find_pair(analysis, options.out);
  const auto processes_of = [](const RunAnalysis& run) {
    return run.groups.at(0).cells.at(0).valid_processes;
  };
  return {compare_paired(*pair.before, *pair.after, kThreshold),
          std::min(processes_of(*pair.before), processes_of(*pair.after))};
}

std::string cell_text(const ComparedKernel& row) {
  const auto& ratio = *row.ratio;
  return fmt::format("{:.3f} [{:.3f}, {:.3f}] {}", ratio.estimate, ratio.low, ratio.high,
                     row.judgement ? stats::to_string(row.judgement->verdict) : row.reason);
}

/// "19 of 20 (95 % [75.1, 99.9] %)", the interval of Clopper and Pearson.
std::string share_text(int count, int all) {
  using Binomial = boost::math::binomial_distribution<double>;
  constexpr double kTail = (1 - stats::kConfidence) / 2;
  return fmt::format("{} of {} (95 % CI {:.1f} to {:.1f} %)", count, all,
                     100 * Binomial::find_lower_bound_on_p(all, count, kTail),
                     100 * Binomial::find_upper_bound_on_p(all, count, kTail));
}

/// Prints the table. Returns whether the slowed kernel was seen often enough.
bool repeat_and_print(const Arguments& arguments) {
  fmt::print("{} processes x {} blocks of both builds, `{}` {:g} % slower in the new one.\n\n",
             arguments.processes, arguments.blocks, kSlowedKernel, 100 * arguments.slowdown);
  fmt::print(
      "| repeat | processes | slowed kernel: old / new time, 95 % CI | unchanged kernels "
      "|\n|---|---|---|---|\n");
  int seen = 0, false_alarms = 0, repeats_with_false_alarm = 0, contained = 0, short_of_processes = 0;
  for (int repeat = 1; repeat <= arguments.repeats; ++repeat) {
    std::string slowed, unchanged;
    int alarms = 0;
    const auto measured = measure(arguments, repeat);
    for (const auto& row : measured.comparison.rows) {
      if (!row.ratio) continue;
      const auto verdict = row.judgement ? row.judgement->verdict : stats::Verdict::kUnresolved;
      if (row.kernel_id == kSlowedKernel) {
        slowed = cell_text(row);
        seen += verdict == stats::Verdict::kSlower;
        const double truth = 1 / (1 + arguments.slowdown);
        contained += row.ratio->low <= truth && truth <= row.ratio->high;
      } else {
        unchanged += (unchanged.empty() ? "" : "; ") + cell_text(row);
        alarms += verdict == stats::Verdict::kSlower || verdict == stats::Verdict::kFaster;
      }
    }
    false_alarms += alarms;
    repeats_with_false_alarm += alarms > 0;
    short_of_processes += measured.processes < arguments.processes;
    fmt::print("| {} | {} | {} | {} |\n", repeat, measured.processes, slowed.empty() ? "no result" : slowed,
               unchanged);
    std::fflush(stdout);
  }
  // So many as 19 of 20.
  const bool enough = seen >= 0.95 * arguments.repeats;
  fmt::print("\n| | |\n|---|---|\n");
  fmt::print("| the slowed kernel reported SLOWER | {} |\n", share_text(seen, arguments.repeats));
  fmt::print("| its interval holds 1 / {:g} | {} |\n", 1 + arguments.slowdown,
             share_text(contained, arguments.repeats));
  fmt::print("| repeats with a false alarm | {} |\n",
             share_text(repeats_with_false_alarm, arguments.repeats));
  fmt::print("| false alarms among the unchanged kernels | {} of {} |\n", false_alarms,
             2 * arguments.repeats);
  fmt::print("| repeats with fewer than {} processes, others rejected as noisy | {} |\n", arguments.processes,
             short_of_processes);
  return enough;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "worker") return run_as_slowed_worker(argv);
  CLI::App app{"How often `attnbench compare` sees a kernel that became slower. Exit code 1: too seldom"};
  Arguments arguments;
  app.add_option("--out", arguments.out,
                 "Folder of the stores, one for each setting of the options; an unfinished one is resumed")
      ->capture_default_str();
  app.add_option("--repeats", arguments.repeats)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--processes", arguments.processes)->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_option("--blocks", arguments.blocks)->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_option("--slowdown", arguments.slowdown, "0.05: the slowed kernel takes 5 % longer")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  app.add_flag("--accept-noise", arguments.accept_noise, "For trials on a busy machine");
  CLI11_PARSE(app, argc, argv);
  try {
    const auto here = std::filesystem::path(own_path()).parent_path();
    arguments.program = (here.parent_path() / "attnbench").string();
    arguments.plugin = (here / "libpower_kernels.so").string();
    if (!std::filesystem::exists(arguments.program))
      throw InputError("program", arguments.program, "is not there: build attnbench_cli too");
    setenv(kProgramVariable, arguments.program.c_str(), 1);
    setenv("ATTNBENCH_POWER_OF_SLOWED", fmt::format("{}", arguments.slowdown).c_str(), 1);
    unsetenv(kSlowdownVariable);  // the old build is never slowed
    load_plugin(arguments.plugin);
    std::filesystem::create_directories(arguments.out);
    return repeat_and_print(arguments) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_power: {}\n", error.what());
    return 2;
  }
}
