#include "tune/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "core/parallel.h"
#include "core/system/host.h"
#include "core/system/system_files.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "io/standard_streams.h"
#include "plan/ranges.h"
#include "run/conductor/worker_process.h"
#include "run/environment/executable.h"
#include "tune/certify.h"
#include "tune/held_out.h"

namespace attnbench {
namespace {

struct TuneArguments {
  std::string out = "attnbench-profile.json";
  std::string merge;
  std::string budget;
  bool certify = false;
  std::string profile, traffic;
  std::string threads, dtypes = "f32,bf16", mechanisms = "mha,mha(causal)";
  std::vector<std::string> plugins;
  std::uint64_t seed = 1;
};

TuneOptions read_options(const TuneArguments& arguments) {
  TuneOptions options;
  options.program = own_path();
  options.plugins = arguments.plugins;
  for (const auto& plugin : arguments.plugins) load_plugin(plugin);
  const std::string usual = arguments.certify ? "30m" : "2m";
  options.budget_seconds = parse_seconds("budget", arguments.budget.empty() ? usual : arguments.budget);
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
  options.memory_bytes = memory_bytes(SystemFiles()).value_or(0) / 4;
  options.seed = arguments.seed;
  return options;
}

/// Writes the profile with what its choices cost; without where that cannot be told.
int certify_profile(const TuneArguments& arguments, CertifyOptions options, CostProfile profile) {
  options.profile = arguments.out;
  const auto result = certify(options, [](const std::string& line) { print_error("certify: {}\n", line); });
  if (!result.refused.empty()) {
    print_error("attnbench: {}; {} holds no certificate\n", result.refused, arguments.out);
    return kNotPublishable;
  }
  profile.certificate = result.certificate;
  write_text_file(arguments.out, to_text(profile));
  fmt::print("\n{}", in_words(result));
  return kDone;
}

int tune_machine(const TuneArguments& arguments) {
  constexpr double kTuningShare = 0.2;
  require_writable(arguments.out);
  if (!arguments.certify) {
    for (const auto& [option, value] :
         {std::pair("profile", arguments.profile), {"traffic", arguments.traffic}}) {
      if (!value.empty()) throw InputError(option, value, "is for --certify alone");
    }
  } else if (!arguments.profile.empty() && !arguments.merge.empty()) {
    throw InputError("merge", arguments.merge, "is for tuning: --profile is certified as it is");
  }
  auto options = read_options(arguments);
  CertifyOptions certifying;
  if (!arguments.traffic.empty()) {
    certifying.traffic = parse_traffic(read_text_file(arguments.traffic, "traffic"), arguments.traffic,
                                       cpu_device(options.threads.front()).threads);
    certifying.traffic_file = std::filesystem::path(arguments.traffic).filename().string();
  }
  CostProfile earlier;
  if (!arguments.merge.empty())
    earlier = parse_profile_text(read_text_file(arguments.merge, "merge"), arguments.merge);
  if (!arguments.profile.empty())
    earlier = parse_profile_text(read_text_file(arguments.profile, "profile"), arguments.profile);
  catch_interrupts();
  certifying.measuring = options;
  if (!arguments.profile.empty()) {
    earlier.certificate = {};
    write_text_file(arguments.out, to_text(earlier));
    return certify_profile(arguments, std::move(certifying), std::move(earlier));
  }
  if (arguments.certify) {
    certifying.measuring.budget_seconds *= 1 - kTuningShare;
    options.budget_seconds *= kTuningShare;
  }
  const auto result = tune(options, [](const std::string& line) { print_error("tune: {}\n", line); });
  if (!result.profile) {
    print_error("attnbench: {}; nothing was written\n", result.refused);
    return kNotPublishable;
  }
  auto profile = arguments.merge.empty() ? *result.profile : merge(earlier, *result.profile);
  write_text_file(arguments.out, to_text(profile));
  fmt::print("{}: {} times of {} cells, {} verified; {} of {} processes were rejected\n", arguments.out,
             profile.costs.size(), result.cells, profile.verified.size(), result.rejected, result.processes);
  fmt::print("Use it: ATTNBENCH_PROFILE={}, or Policy::profile\n", arguments.out);
  for (const auto& failure : result.failures)
    fmt::print("left out: {}, {}: {}\n", failure.kernel, failure.problem, failure.reason);
  if (arguments.certify) {
    const int code = certify_profile(arguments, std::move(certifying), std::move(profile));
    if (code != kDone) return code;
  }
  return result.failures.empty() ? kDone : kKernelFailed;
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_code) {
  Command command(app, "tune", "Measure this machine's kernels and write the profile that dispatch uses");
  command.footer(
      "Every kernel is verified before it is timed. Exit code 3, and no profile or no certificate, where "
      "the\n"
      "machine is too noisy to tell; 4 where a kernel failed and was left out.\n"
      "--certify measures what the profile's choices cost on 200 problems that were not used for tuning, "
      "and\n"
      "on a list of your own: [[shape]] tables in TOML, or CSV, with mechanism, seqlen and, where they are "
      "not\n"
      "1, 8, heads, seqlen, 64, f32, bhsd, all and 1: batch, heads, kv_heads, seqlen_q, head_dim, dtype, "
      "layout,\n"
      "threads and weight.\n"
      "Examples:\n"
      "  attnbench tune\n"
      "  attnbench tune --budget 10m --threads 1,4,8 --out profile.json\n"
      "  attnbench tune --mechanism 'swa(w=64),linear' --merge profile.json --out profile.json\n"
      "  attnbench tune --certify --profile profile.json --traffic mine.csv --out profile.json");
  const auto arguments = std::make_shared<TuneArguments>();
  command.add_output_option("-o,--out", arguments->out, "The profile").capture_default_str();
  command.add_option("--merge", arguments->merge,
                     "Add to what this profile of the same machine and build holds");
  command.add_option("--budget", arguments->budget,
                     "Time for everything: 90s, 2m, 1h (default: 2m; with --certify 30m)");
  command.add_flag("--certify", arguments->certify,
                   "Measure what the profile's choices cost on problems never used for tuning");
  command.add_option("--profile", arguments->profile,
                     "Certify this one: a fifth of the time tunes otherwise");
  command.add_option("--traffic", arguments->traffic, "Certify these shapes too, by their weights");
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
      print_error("attnbench: interrupted; what was not finished is not written\n");
      constexpr int kInterrupted = 130;
      exit_code = kInterrupted;
    }
  });
}

}  // namespace attnbench
