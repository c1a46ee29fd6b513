#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "command.h"
#include "commands.h"
#include "core/parallel.h"
#include "core/utc.h"
#include "io/json.h"
#include "run/ceilings/ceilings.h"
#include "run/environment/advice.h"
#include "run/environment/engine_facts.h"
#include "run/environment/environment.h"
#include "run/environment/identity.h"
#include "run/environment/page.h"
#include "run/environment/private_names.h"
#include "run/noise/noise.h"
#include "run/noise/observe_noise.h"
#include "run/noise/thresholds.h"
#include "terminal.h"

namespace attnbench {
namespace {

using nlohmann::json;

struct Options {
  bool as_json = false;
  bool no_ceilings = false;
  bool issue = false;
  int threads = 0;
};

struct Live {
  json noise;
  std::optional<Ceilings> ceilings;
};

Live measure_live(const CpuDevice& device, bool with_ceilings) {
  constexpr double kSentinelSeconds = 1;
  Live live;
  live.noise = observe_noise(device, kSentinelSeconds, [&] {
    if (with_ceilings) live.ceilings = device.ceilings();
  });
  return live;
}

void run_env(const Options& options) {
  if (options.issue && options.as_json)
    throw InputError("issue", "--json", "is another form of the same: give one of the two");
  const auto device = cpu_device(options.threads);
  require_threads(device.threads, most_threads());
  const auto environment = probe_environment(built_commit());
  const auto [noise, ceilings] = measure_live(device, !options.no_ceilings && !options.issue);
  if (options.issue) {
    fmt::print("{}",
               issue_page(machine_key(), environment, noise, engine_facts(device), names_of_host_and_user()));
    return;
  }
  const auto advice = advise(environment, noise);
  if (options.as_json) {
    auto advice_list = json::array();
    for (const auto& item : advice) advice_list.push_back({{"kind", name(item.kind)}, {"text", item.text}});
    json page = {{"environment", environment},
                 {"machine_key", machine_key()},
                 {"measured_utc", now_utc()},
                 {"threads", device.threads},
                 {"noise", noise},
                 {"thresholds", thresholds::to_json()},
                 {"advice", advice_list}};
    if (ceilings) page["ceilings"] = to_json(*ceilings);
    fmt::print("{}\n", page.dump(2));
    return;
  }
  auto page = fmt::format("Machine {}\n\n{}", machine_key(), machine_page(environment, noise));
  if (ceilings) page += '\n' + ceilings_page(*ceilings, reject_reason(noise));
  page += '\n' + advice_page(advice);
  fmt::print("{}", fitted(page));
}

}  // namespace

void add_env_command(CLI::App& app, int& exit_code) {
  Command command(
      app, "env",
      "Show this machine: CPU, caches, system, libraries, noise now, measured ceilings, and advice");
  command.footer(
      "Examples:\n  attnbench env\n  attnbench env --threads 1 --no-ceilings\n  attnbench env --json\n"
      "  attnbench env --issue");
  const auto options = std::make_shared<Options>();
  command.add_flag("--json", options->as_json, "Print the results as JSON");
  command.add_option("--threads", options->threads, "Threads at work; 0 is one for each physical core")
      .range(0, 65535)
      .capture_default_str();
  command.add_flag("--no-ceilings", options->no_ceilings, "Leave out the ceilings (about three seconds)");
  command.add_flag("--issue", options->issue,
                   "Print a text for a report of a fault: machine, build, engines, noise now; no name of "
                   "host or user, no path");
  command.callback([options, &exit_code] {
    run_env(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
