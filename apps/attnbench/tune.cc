#include "tune/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "core/parallel.h"
#include "core/system/parse.h"
#include "core/system/system_files.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "io/standard_streams.h"
#include "plan/ranges.h"
#include "run/conductor/worker_process.h"

namespace attnbench {
namespace {

struct TuneArguments {
  std::string out = "attnbench-profile.json";
  std::string merge;
  std::string budget = "2m";
  std::string threads, dtypes = "f32,bf16", mechanisms = "mha,mha(causal)";
  std::vector<std::string> plugins;
  std::uint64_t seed = 1;
};

TuneOptions read_options(const TuneArguments& arguments) {
  TuneOptions options;
  options.program = std::filesystem::read_symlink("/proc/self/exe").string();
  options.plugins = arguments.plugins;
  for (const auto& plugin : arguments.plugins) load_plugin(plugin);
  options.budget_seconds = parse_seconds("budget", arguments.budget);
  if (!arguments.threads.empty()) {
    options.threads.clear();
    for (const auto count : parse_numbers("threads", arguments.threads)) {
      if (count > 65535) throw InputError("threads", std::to_string(count), "is more than 65535");
      options.threads.push_back(cpu_device(static_cast<int>(count)).threads);
    }
  }
  for (const auto count : options.threads) require_threads(cpu_device(count).threads, most_threads());
  for (const auto& text : split_list("dtype", arguments.dtypes)) options.dtypes.push_back(parse_dtype(text));
  for (const auto& text : split_list("mechanism", arguments.mechanisms)) {
    options.mechanisms.push_back(parse_mechanism(text));
    const auto kind = options.mechanisms.back().kind;
    if (kind == MechanismKind::gqa || kind == MechanismKind::mqa)
      throw InputError("mechanism", text, "is tuned with mha, over several numbers of heads of K and V");
  }
  const auto memory = parse_meminfo(SystemFiles().read("/proc/meminfo").value_or(""), "MemTotal");
  options.memory_bytes = memory.value_or(0) / 4;
  options.seed = arguments.seed;
  return options;
}

int tune_machine(const TuneArguments& arguments) {
  require_writable(arguments.out);
  const auto options = read_options(arguments);
  CostProfile earlier;
  if (!arguments.merge.empty())
    earlier = parse_profile_text(read_text_file(arguments.merge, "merge"), arguments.merge);
  catch_interrupts();
  const auto result = tune(options, [](const std::string& line) { print_error("tune: {}\n", line); });
  if (!result.profile) {
    print_error("attnbench: {}; nothing was written\n", result.refused);
    return kNotPublishable;
  }
  const auto profile = arguments.merge.empty() ? *result.profile : merge(earlier, *result.profile);
  write_text_file(arguments.out, to_text(profile));
  fmt::print("{}: {} times of {} cells, {} verified; {} of {} processes were rejected\n", arguments.out,
             profile.costs.size(), result.cells, profile.verified.size(), result.rejected, result.processes);
  fmt::print("Use it: ATTNBENCH_PROFILE={}, or Policy::profile\n", arguments.out);
  for (const auto& failure : result.failures)
    fmt::print("left out: {}, {}: {}\n", failure.kernel, failure.problem, failure.reason);
  return result.failures.empty() ? kDone : kKernelFailed;
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_code) {
  Command command(app, "tune", "Measure this machine's kernels and write the profile that dispatch uses");
  command.footer(
      "Every kernel is verified before it is timed. Exit code 3, and no profile, where the machine is too "
      "noisy\n"
      "to tell; 4 where a kernel failed and was left out.\n"
      "Examples:\n"
      "  attnbench tune\n"
      "  attnbench tune --budget 10m --threads 1,4,8 --out profile.json\n"
      "  attnbench tune --mechanism 'swa(w=64),linear' --merge profile.json --out profile.json");
  const auto arguments = std::make_shared<TuneArguments>();
  command.add_output_option("-o,--out", arguments->out, "The profile").capture_default_str();
  command.add_option("--merge", arguments->merge,
                     "Add to what this profile of the same machine and build holds");
  command.add_option("--budget", arguments->budget, "Time for everything: 90s, 2m, 1h").capture_default_str();
  command.add_option("--threads", arguments->threads,
                     "Thread counts, each tuned by itself; 0, as without it, is one for each physical core");
  command.add_option("--dtype", arguments->dtypes, "Element types").capture_default_str();
  command.add_option("--mechanism", arguments->mechanisms, "Mechanisms; mha covers gqa and mqa")
      .capture_default_str();
  command.add_option("--plugin", arguments->plugins, "Load kernels from this shared object").delimiter(',');
  command.add_option("--seed", arguments->seed, "Of inputs and memory layout").capture_default_str();
  command.callback([arguments, &exit_code] {
    try {
      exit_code = tune_machine(*arguments);
    } catch (const Interrupted&) {
      print_error("attnbench: interrupted; nothing was written\n");
      constexpr int kInterrupted = 130;
      exit_code = kInterrupted;
    }
  });
}

}  // namespace attnbench
