#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "core/kernel_name.h"
#include "core/parallel.h"
#include "io/json.h"
#include "io/standard_streams.h"
#include "plan/ranges.h"
#include "plan/study.h"
#include "report/text_width.h"
#include "run/environment/executable.h"
#include "run/external/load.h"
#include "run/external/peers.h"
#include "run/verification/verify_all.h"
#include "terminal.h"

namespace attnbench {
namespace {

struct VerifyArguments {
  bool all = false;
  std::string kernels, mechanisms, dtypes;  ///< lists
  std::vector<std::string> plugins;
  std::string device = "cpu";
  std::uint64_t shapes = 0;
  std::string threads;  ///< a list
  std::string launcher;
  bool peers = false;
  bool json = false;
};

/// "unfused@cpu", "fused@cpu:amx".
std::string label(const KernelInfo& kernel) {
  return implementation_name(kernel.kernel(), kernel.engine(), kernel.path());
}

std::string mechanism_list(const KernelInfo& kernel) {
  std::vector<std::string_view> names;
  for (const auto kind : kernel.mechanisms()) names.push_back(name(kind));
  return fmt::format("{}", fmt::join(names, ","));
}

/// The shapes of verification have parameters of their own, so a form cannot be chosen.
void refuse_parameters(const char* field, const std::string& text) {
  const auto open = text.find('(');
  if (open == std::string::npos) return;
  throw InputError(field, text,
                   fmt::format("names parameters, and verification goes through its own: leave out {}",
                               text.substr(open, text.find(')') - open + 1)));
}

/// Registered kernels that this names, as kernel_matches() does.
std::vector<const KernelInfo*> kernels_named(const std::string& text) {
  refuse_parameters("kernel", text);
  std::vector<const KernelInfo*> found;
  std::vector<std::string> known;
  for (const auto* kernel : kernels()) {
    const auto kinds = kernel->mechanisms();
    const auto is_named = [&](MechanismKind kind) {
      return kernel_matches(text, kernel_id(Mechanism{.kind = kind}, *kernel));
    };
    if (std::any_of(kinds.begin(), kinds.end(), is_named)) found.push_back(kernel);
    known.emplace_back(kernel->kernel());
    known.push_back(label(*kernel));
  }
  if (found.empty()) throw InputError("kernel", text, "is not registered" + suggestion(text, known));
  return found;
}

MechanismKind parse_kind(const std::string& text) {
  refuse_parameters("mechanism", text);
  std::vector<std::string> known;
  for (const auto kind : all_mechanism_kinds()) {
    if (name(kind) == text) return kind;
    known.emplace_back(name(kind));
  }
  throw InputError("mechanism", text, "is not a kind of mechanism" + suggestion(text, known));
}

std::vector<VerifyShape> first_of(const std::vector<VerifyShape>& list, std::size_t count) {
  const auto end =
      count == 0 ? list.end() : list.begin() + static_cast<std::ptrdiff_t>(std::min(count, list.size()));
  return {list.begin(), end};
}

/// Those that --peers names become plugins of the arguments.
void load_all(VerifyArguments& arguments) {
  for (auto& plugin : arguments.plugins) load_kernels(plugin, allowed_cpus(), false);
  if (!arguments.peers) return;
  const auto peers = load_peers(allowed_cpus(), arguments.plugins);
  for (const auto& engine : peers.missing) print_error("peer {}: {}\n", engine.name, engine.reason);
  arguments.plugins.insert(arguments.plugins.end(), peers.files.begin(), peers.files.end());
}

std::vector<std::string> list_of(const char* field, const std::string& text) {
  return text.empty() ? std::vector<std::string>{} : split_list(field, text);
}

/// As `run` reads them: 0 is one for each physical core. One that the machine's CPUs cannot take is refused.
std::vector<int> thread_counts(const std::string& list) {
  constexpr std::int64_t kMost = 65535;
  if (list.empty()) return {std::min(2, static_cast<int>(allowed_cpus().size()))};
  std::vector<int> counts;
  for (const auto number : parse_numbers("threads", list)) {
    if (number > kMost)
      throw InputError("threads", std::to_string(number), fmt::format("is more than {}", kMost));
    counts.push_back(cpu_device(static_cast<int>(number)).threads);
    require_threads(counts.back(), most_threads());
  }
  return counts;
}

/// Adds what another number of threads gave of the same kernel and element type.
void add_to(std::vector<KernelVerdict>& verdicts, const KernelVerdict& more) {
  const auto same = std::find_if(verdicts.begin(), verdicts.end(), [&](const auto& v) {
    return v.kernel == more.kernel && v.dtype == more.dtype;
  });
  if (same == verdicts.end()) return verdicts.push_back(more);
  same->passed += more.passed;
  same->less_exact += more.less_exact;
  same->other_function += more.other_function;
  for (const auto& [reason, count] : more.unsupported) same->unsupported[reason] += count;
  same->failures.insert(same->failures.end(), more.failures.begin(), more.failures.end());
  if (more.worst_share > same->worst_share) {
    same->worst_share = more.worst_share;
    same->worst_case = more.worst_case;
  }
  if (more.unranked_share > same->unranked_share) {
    same->unranked_share = more.unranked_share;
    same->unranked = more.unranked;
  }
}

VerifyAllOptions read_options(const VerifyArguments& arguments) {
  const bool chosen =
      !arguments.kernels.empty() || !arguments.mechanisms.empty() || !arguments.dtypes.empty();
  if (!arguments.all && !chosen) {
    throw InputError("verify needs --all, or --kernel, --mechanism or --dtype to say what to verify");
  }
  VerifyAllOptions options;
  options.mechanisms.clear();
  for (const auto& text : list_of("mechanism", arguments.mechanisms))
    options.mechanisms.push_back(parse_kind(text));
  if (options.mechanisms.empty()) options.mechanisms = all_mechanism_kinds();
  for (const auto& text : list_of("kernel", arguments.kernels)) {
    for (const auto* kernel : kernels_named(text)) {
      if (std::find(options.kernels.begin(), options.kernels.end(), kernel) == options.kernels.end())
        options.kernels.push_back(kernel);
    }
  }
  if (arguments.kernels.empty()) options.kernels = kernels();
  std::erase_if(options.kernels, [&](const KernelInfo* kernel) {
    const auto kinds = kernel->mechanisms();
    return std::find_first_of(kinds.begin(), kinds.end(), options.mechanisms.begin(),
                              options.mechanisms.end()) == kinds.end();
  });
  if (options.kernels.empty()) throw InputError("no registered kernel computes what was chosen");
  if (!arguments.dtypes.empty()) {
    options.dtypes.clear();
    for (const auto& text : list_of("dtype", arguments.dtypes)) options.dtypes.push_back(parse_dtype(text));
  }
  options.device = parse_device_name(arguments.device);
  open_device(options.device, cpu_device(1));  // says at once that it is not there
  options.shapes = first_of(verify_shapes().pairwise, arguments.shapes);
  const auto hard = first_of(verify_shapes().hard, arguments.shapes);
  options.shapes.insert(options.shapes.end(), hard.begin(), hard.end());
  return options;
}

nlohmann::json to_json(const KernelVerdict& verdict) {
  auto failures = nlohmann::json::array();
  for (const auto& failure : verdict.failures)
    failures.push_back({{"case", failure.case_name}, {"reason", failure.reason}});
  return {{"kernel", label(*verdict.kernel)},
          {"mechanisms", mechanism_list(*verdict.kernel)},
          {"dtype", name(verdict.dtype)},
          {"passed", verdict.passed},
          {"less_exact", verdict.less_exact},
          {"other_function", verdict.other_function},
          {"unranked",
           {{"case", verdict.unranked.case_name},
            {"reason", verdict.unranked.reason},
            {"error_over_tolerance", verdict.unranked_share}}},
          {"unsupported", verdict.unsupported},
          {"worst_error_over_tolerance", verdict.worst_share},
          {"worst_case", verdict.worst_case},
          {"failures", failures}};
}

std::int64_t unsupported_cases(const KernelVerdict& verdict) {
  std::int64_t cases = 0;
  for (const auto& [reason, count] : verdict.unsupported) cases += count;
  return cases;
}

/// "cases: 96 passed, 4 less exact, 0 of another function, 0 failed, 12 unsupported".
std::string totals(const std::vector<KernelVerdict>& verdicts) {
  std::int64_t passed = 0, less_exact = 0, other_function = 0, failed = 0, unsupported = 0;
  for (const auto& v : verdicts) {
    passed += v.passed;
    less_exact += v.less_exact;
    other_function += v.other_function;
    failed += std::ssize(v.failures);
    unsupported += unsupported_cases(v);
  }
  return fmt::format("cases: {} passed, {} less exact, {} of another function, {} failed, {} unsupported",
                     passed, less_exact, other_function, failed, unsupported);
}

/// One line a reason.
void print_unsupported(const std::vector<KernelVerdict>& verdicts) {
  struct Of {
    std::vector<std::string> kernels;
    std::int64_t cases = 0;
  };
  std::map<std::string, Of> reasons;
  for (const auto& v : verdicts) {
    for (const auto& [reason, count] : v.unsupported) {
      auto& of = reasons[reason];
      of.kernels.push_back(fmt::format("{} {}", label(*v.kernel), name(v.dtype)));
      of.cases += count;
    }
  }
  for (const auto& [reason, of] : reasons)
    print_line(fmt::format("unsupported, {} cases: {}: {}", of.cases, reason, fmt::join(of.kernels, ", ")));
}

/// Where the terminal has no room beside a kernel for its numbers, they stand below it.
void print_table(const std::vector<KernelVerdict>& verdicts) {
  std::size_t width = 6;
  std::size_t mechanisms = 10;
  for (const auto& v : verdicts) {
    width = std::max(width, label(*v.kernel).size());
    mechanisms = std::max(mechanisms, mechanism_list(*v.kernel).size());
  }
  constexpr std::size_t kNumbers = 57;
  const auto separator = width + mechanisms + 2 + kNumbers > result_width() ? "\n    " : " ";
  const auto row = [&](const std::string& kernel, const std::string& kinds, const std::string& numbers) {
    fmt::print("{:<{}} {:<{}}{}{}\n", kernel, width, kinds, mechanisms, separator, numbers);
  };
  row("kernel", "mechanisms", "dtype passed not ranked failed unsupported error/allowed");
  for (const auto& v : verdicts) {
    row(label(*v.kernel), mechanism_list(*v.kernel),
        fmt::format("{:<5} {:>6} {:>10} {:>6} {:>11} {:>13.2f}", name(v.dtype), v.passed,
                    v.less_exact + v.other_function, v.failures.size(), unsupported_cases(v), v.worst_share));
  }
  print_unsupported(verdicts);
  for (const auto& v : verdicts) {
    if (v.less_exact + v.other_function > 0)
      print_line(fmt::format("not ranked: {} {} ({} cases), the worst, {}: {}", label(*v.kernel),
                             name(v.dtype), v.less_exact + v.other_function, v.unranked.case_name,
                             v.unranked.reason));
  }
  for (const auto& v : verdicts) {
    for (const auto& failure : v.failures)
      print_line(fmt::format("FAILED: {} {}, {}: {}", label(*v.kernel), name(v.dtype), failure.case_name,
                             failure.reason));
  }
  fmt::print("{}\n", totals(verdicts));
}

/// The program that runs one kernel. Element types are verified side by side, each with a pool of its own;
/// threads that spin while they wait take the other's CPU (on 2 cores --all took 50 s with spinning pools, 14
/// s with sleeping ones).
Program worker_program(const VerifyArguments& arguments, char** argv) {
  Program program;
  program.words = split_words(arguments.launcher);
  if (program.words.empty()) {
    program.file = own_program();
    program.words.emplace_back(argv[0]);
  } else {
    program.words.push_back(own_path());
  }
  program.words.insert(program.words.end(),
                       {"worker", "--cpus", fmt::format("{}", fmt::join(allowed_cpus(), ","))});
  for (const auto& plugin : arguments.plugins)
    program.words.insert(program.words.end(), {"--plugin", plugin});
  if (std::getenv("OMP_WAIT_POLICY") == nullptr)
    program.environment.emplace_back("OMP_WAIT_POLICY", "passive");
  return program;
}

int verify(VerifyArguments& arguments, char** argv) {
  load_all(arguments);
  auto options = read_options(arguments);
  options.worker = worker_program(arguments, argv);
  std::vector<KernelVerdict> verdicts;
  for (const int threads : thread_counts(arguments.threads)) {
    options.threads = threads;
    verify_all(
        options, [&](const KernelVerdict& verdict) { add_to(verdicts, verdict); },
        [](const std::string& line) { print_error("verify: {}\n", line); });
  }
  std::stable_sort(verdicts.begin(), verdicts.end(), [&](const auto& a, const auto& b) {
    const auto place = [&](const KernelVerdict& v) {
      return std::find(options.kernels.begin(), options.kernels.end(), v.kernel) - options.kernels.begin();
    };
    return std::pair(place(a), a.dtype) < std::pair(place(b), b.dtype);
  });
  if (arguments.json) {
    auto list = nlohmann::json::array();
    for (const auto& verdict : verdicts) list.push_back(to_json(verdict));
    fmt::print("{}\n", json_text(list, 2));
  } else {
    print_table(verdicts);
  }
  const bool failed =
      std::any_of(verdicts.begin(), verdicts.end(), [](const auto& v) { return !v.failures.empty(); });
  if (failed) return kKernelFailed;
  const auto was_run = [](const auto& v) { return v.passed + v.less_exact + v.other_function > 0; };
  if (std::any_of(verdicts.begin(), verdicts.end(), was_run)) return kDone;
  print_error("nothing was verified: no case is supported on device {}\n", options.device);
  return kNotPublishable;
}

}  // namespace

void add_verify_command(CLI::App& app, char** argv, int& exit_code) {
  Command command(app, "verify", "Check kernels against the float64 oracle");
  command.footer(
      "Every kernel and element type over a fixed list of shapes, each with inputs made to show mistakes.\n"
      "Exit code 4 if a kernel is wrong, crashes or hangs, 3 if no case is supported. A kernel of another "
      "maker\n"
      "that exceeds the tolerance up to ten times is less exact, and never ranked: no failure.\n"
      "Examples:\n"
      "  attnbench verify --all\n"
      "  attnbench verify --kernel gather --dtype bf16\n"
      "  attnbench verify --all --shapes 6        # the first 6 of the general and of the hard shapes\n"
      "  attnbench verify --all --plugin ./libmykernel.so --json");
  const auto arguments = std::make_shared<VerifyArguments>();
  command.add_flag("--all", arguments->all, "Every registered kernel and element type");
  command.add_option("--kernel", arguments->kernels, "Only these: 'gather', '@cpu', 'fused@cpu:amx'")
      .type_name("LIST");
  command.add_option("--mechanism", arguments->mechanisms, "Only these kinds: 'swa,linear'")
      .type_name("LIST");
  command.add_option("--dtype", arguments->dtypes, "Only these element types: f32, bf16, f16")
      .type_name("LIST");
  command.add_option("--device", arguments->device,
                     "Verify on this device, as `attnbench list` names it: cpu, cuda:0");
  command.add_option("--shapes", arguments->shapes, "Only the first N general and the first N hard shapes")
      .range(1, 65535);
  command
      .add_option(
          "--threads", arguments->threads,
          "Cases take turns between so many threads and 1; of several numbers each is verified; 0 is one "
          "for each physical core (default: 2, or as many CPUs as there are)")
      .type_name("LIST");
  command
      .add_option("--plugin", arguments->plugins,
                  "Load kernels from this shared object (.so), or this program that is an engine")
      .delimiter(',');
  command.add_flag("--peers", arguments->peers,
                   "Load the engines of other makers that come with AttnBench (docs/external-kernels.md)");
  command.add_option(
      "--launcher", arguments->launcher,
      "Words before the program that runs a kernel, on this machine: 'qemu-x86_64 -cpu Nehalem'");
  command.add_flag("--json", arguments->json, "Print the results as JSON");
  command.callback([arguments, argv, &exit_code] { exit_code = verify(*arguments, argv); });
}

}  // namespace attnbench
