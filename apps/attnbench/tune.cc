#include "tune/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
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
#include "io/json.h"
#include "io/standard_streams.h"
#include "plan/ranges.h"
#include "run/conductor/worker_process.h"
#include "run/environment/executable.h"
#include "terminal.h"
#include "tune/certificate.h"
#include "tune/certify.h"
#include "tune/held_out.h"

namespace attnbench {
namespace {

struct TuneArguments {
  std::string out = "attnbench-profile.json";
  std::string merge;
  std::string budget;
  bool certify = false, accept_noise = false;
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
  options.accept_noise = arguments.accept_noise;
  return options;
}

/// What holds measurements until there is a certificate: "p.uncertified.json" for "p.json".
std::string uncertified_file(const std::string& out) {
  const std::filesystem::path path(out);
  return path.parent_path() / (path.stem().string() + ".uncertified" + path.extension().string());
}

CertifyOptions read_certify_options(const TuneArguments& arguments, const TuneOptions& options) {
  CertifyOptions certifying;
  certifying.measuring = options;
  if (!arguments.traffic.empty()) {
    certifying.traffic = parse_traffic(read_text_file(arguments.traffic, "traffic"), arguments.traffic,
                                       cpu_device(options.threads.front()).threads);
    certifying.traffic_file = std::filesystem::path(arguments.traffic).filename().string();
  }
  return certifying;
}

/// Throws where measurements without a certificate would be written over others of the kind.
void require_free(const TuneArguments& arguments) {
  const auto kept = uncertified_file(arguments.out);
  require_writable(kept);
  const bool goes_on = !arguments.profile.empty() && same_regular_file(arguments.profile, kept);
  if (std::filesystem::exists(kept) && !goes_on)
    throw InputError("out", kept,
                     "holds measurements without a certificate: go on with --profile, or remove it");
}

/// Certifies options.profile, which holds `profile`. Writes OUT where the certificate is whole; one in part
/// goes beside it, and OUT stays as it is.
int certify_profile(const TuneArguments& arguments, CertifyOptions options, CostProfile profile) {
  const auto kept = uncertified_file(arguments.out);
  const auto untouched = std::filesystem::exists(arguments.out)
                             ? fmt::format("{} is as it was", arguments.out)
                             : fmt::format("{} was not written", arguments.out);
  if (const auto& certificate = *profile.certificate;
      certificate.is_object() && !read_field<bool>(certificate, "certified"))
    options.earlier = certificate;
  const auto result = certify(options, [](const std::string& line) { print_error("certify: {}\n", line); });
  if (!result.refused.empty()) {
    for (const auto& shape : result.left_out) print_error("{}\n", fitted("left out: " + shape));
    print_error("attnbench: no certificate: {}\n{}; what was measured is in {}\n", result.refused, untouched,
                options.profile);
    return kNotPublishable;
  }
  profile.certificate = result.certificate;
  const bool whole = result.in_part.empty();
  write_text_file(whole ? arguments.out : kept, to_text(profile));
  fmt::print("\n{}\n", fitted(in_words(result)));
  if (whole) {
    if (same_regular_file(options.profile, kept)) std::filesystem::remove(kept);
    fmt::print("{} holds profile and certificate\n", arguments.out);
    return kDone;
  }
  print_error(
      "attnbench: not certified: {}\n{}; what was measured is in\n{}. Go on with\n"
      "  attnbench tune --certify --profile {} --out {}\n",
      result.in_part, untouched, kept, kept, arguments.out);
  return kNotPublishable;
}

/// Of what is there a profile alone may be replaced.
void require_own_file(const std::string& out) {
  std::error_code error;
  const auto status = std::filesystem::status(out, error);
  if (!std::filesystem::exists(status)) return;
  if (!std::filesystem::is_regular_file(status)) throw InputError("out", out, "is no regular file");
  if (std::filesystem::file_size(out, error) == 0) return;
  try {
    parse_profile_text(read_text_file(out, "out"), out);
  } catch (const InputError&) {
    throw InputError("out", out, "is there and is no profile of this program: it would be lost");
  }
}

int tune_machine(const TuneArguments& arguments) {
  constexpr double kTuningShare = 0.2;
  require_own_file(arguments.out);
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
  auto certifying = read_certify_options(arguments, options);
  CostProfile earlier;
  if (!arguments.merge.empty())
    earlier = parse_profile_text(read_text_file(arguments.merge, "merge"), arguments.merge);
  if (!arguments.profile.empty())
    earlier = parse_profile_text(read_text_file(arguments.profile, "profile"), arguments.profile);
  if (arguments.certify) require_free(arguments);
  catch_interrupts();
  if (!arguments.profile.empty()) {
    certifying.profile = arguments.profile;
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
  const auto file = arguments.certify ? uncertified_file(arguments.out) : arguments.out;
  write_text_file(file, to_text(profile));
  fmt::print("{}: {} times of {} cells, {} verified\n{} of {} processes were rejected\n", file,
             profile.costs.size(), result.cells, profile.verified.size(), result.rejected, result.processes);
  if (arguments.accept_noise)
    fmt::print("Noise was accepted: times may hold what other programs did to this machine.\n");
  for (const auto& failure : result.failures)
    fmt::print("left out: {}, {}: {}\n", failure.kernel, failure.problem, failure.reason);
  if (arguments.certify) {
    certifying.profile = file;
    const int code = certify_profile(arguments, std::move(certifying), std::move(profile));
    if (code != kDone) return result.failures.empty() ? code : kKernelFailed;
  }
  fmt::print("Use it: ATTNBENCH_PROFILE={}, or Policy::profile\n", arguments.out);
  return result.failures.empty() ? kDone : kKernelFailed;
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_code) {
  Command command(app, "tune", "Measure this machine's kernels and write the profile that dispatch uses");
  command.footer(
      "Every kernel is verified before it is timed. Exit code 3, and no profile, where\n"
      "the machine is too noisy to tell; 4 where a kernel failed and was left out.\n"
      "--certify measures what the profile's choices cost on 200 problems that were\n"
      "not used for tuning, and on a list of your own: [[shape]] tables in TOML, or\n"
      "CSV, with mechanism, seqlen and, where they are not 1, 8, heads, seqlen, 64,\n"
      "f32, bhsd, all and 1: batch, heads, kv_heads, seqlen_q, head_dim, dtype, layout,\n"
      "threads and weight. OUT is written where all 200 were measured. Else exit code\n"
      "3: OUT stays as it was, and profile.uncertified.json beside profile.json holds\n"
      "what was measured, which --profile goes on with.\n"
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
                     "Certify this one, or go on with its certificate in part: a fifth of the time tunes "
                     "otherwise");
  command.add_flag("--accept-noise", arguments->accept_noise,
                   "Measure on a machine that others use too; what is written says so");
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
