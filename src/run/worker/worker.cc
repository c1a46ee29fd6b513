#include "run/worker/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/affinity.h"
#include "core/ceilings.h"
#include "core/cpu_list.h"
#include "core/parallel.h"
#include "io/json.h"
#include "run/ceilings/default_path.h"
#include "run/environment/environment.h"
#include "run/environment/executable.h"
#include "run/environment/identity.h"
#include "run/environment/libraries.h"
#include "run/external/load.h"
#include "run/external/peer_start.h"
#include "run/noise/layout_noise.h"
#include "run/noise/noise.h"
#include "run/noise/observe_noise.h"
#include "run/protocol/messages.h"
#include "run/protocol/process.h"
#include "run/protocol/worker_identity.h"
#include "run/thrown.h"
#include "run/verification/examiner.h"
#include "run/verification/verify_cell.h"
#include "run/worker/cell_measurement.h"
#include "run/worker/lifeline.h"
#include "run/worker/memory_fit.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Starts this program again with the pool's settings in the environment. Threads are pinned one to a CPU;
/// they spin briefly between parallel regions, then sleep, so that an idle pool does not disturb a
/// neighbour's slot.
[[noreturn]] void restart_pinned(const WorkerOptions& options, char** argv) {
  const auto device = cpu_device(options.threads);
  const auto cpus = fmt::format("{}", fmt::join(device.cpus, ","));
  setenv("VECLIB_MAXIMUM_THREADS", std::to_string(device.threads).c_str(), 1);  // Accelerate's own pool
  setenv("OMP_NUM_THREADS", std::to_string(device.threads).c_str(), 1);
  setenv("OMP_DYNAMIC", "false", 1);
  setenv("OMP_PROC_BIND", "true", 1);
  setenv("OMP_PLACES", fmt::format("{{{}}}", fmt::join(device.cpus, "},{")).c_str(), 1);
  setenv("GOMP_SPINCOUNT", "300000", 1);
  unsetenv("OMP_WAIT_POLICY");
  std::vector<char*> arguments;
  for (char** argument = argv; *argument != nullptr; ++argument) arguments.push_back(*argument);
  std::string flag = "--cpus";
  std::string value = cpus;
  arguments.push_back(flag.data());
  arguments.push_back(value.data());
  arguments.push_back(nullptr);
  restore_start_affinity();
  execv(own_program().c_str(), arguments.data());
  throw std::runtime_error("cannot start the worker again");
}

CpuDevice pinned_device(const WorkerOptions& options) {
  return {options.cpus, static_cast<int>(options.cpus.size()), cpu_features()};
}

std::map<std::string, std::string> all_library_versions() {
  auto versions = library_versions();
  versions.merge(engine_versions());
  return versions;
}

/// Without the library versions: to tell them engines load what they need, which only who is asked should do.
WorkerIdentity identity_of(const CpuDevice& device, std::vector<PluginFile> plugins) {
  return {build_id(), machine_key(),     boot_id(), format_cpu_list(allowed_cpus()), device.cpus,
          {},         std::move(plugins)};
}

/// Throws InputError for a rate that none can be.
void require_rates(const std::string& device, const Ceilings& ceilings) {
  const auto require = [&](const char* what, double rate) {
    if (!std::isfinite(rate) || rate < 0)
      throw InputError("device", device, fmt::format("has a ceiling that is none: {} is {:g}", what, rate));
  };
  for (const auto& ceiling : ceilings.compute) require("flops_per_second", ceiling.flops_per_second);
  for (const auto& ceiling : ceilings.bandwidth) {
    require("read_bytes_per_second", ceiling.read_bytes_per_second);
    require("copy_bytes_per_second", ceiling.copy_bytes_per_second);
  }
}

/// Starts another worker like this one: on the same CPUs, with the same plugins and environment.
Program another_worker(char** argv) {
  Program program;
  program.file = own_program();
  for (char** argument = argv; *argument != nullptr; ++argument) program.words.emplace_back(*argument);
  return program;
}

/// Answers one conversation.
class Worker {
 public:
  Worker(const CpuDevice& host, WorkerIdentity identity, std::string commit, Program of_kernels, int out_fd)
      : host_(host),
        identity_(std::move(identity)),
        commit_(std::move(commit)),
        of_kernels_(std::move(of_kernels)),
        lifeline_(STDIN_FILENO, out_fd),
        examiner_(host, [this](const json& message) { lifeline_.send(message); }) {}

  int serve() {
    while (true) {
      const auto message = lifeline_.next();
      const auto type = read_field<std::string>(message, "type");
      try {
        if (type == messages::Hello::kType) {
          hello(messages::read<messages::Hello>(message));
        } else if (type == messages::Verify::kType) {
          verify(messages::read<messages::Verify>(message));
        } else if (type == messages::Observe::kType) {
          examiner_.observe(messages::read<messages::Observe>(message));
        } else if (type == messages::Check::kType) {
          examiner_.check(messages::read<messages::Check>(message));
        } else if (type == messages::Prepare::kType) {
          prepare(messages::read<messages::Prepare>(message));
        } else if (type == messages::Slot::kType) {
          slot(messages::read<messages::Slot>(message).block);
        } else if (type == messages::ObserveNoise::kType) {
          observe(messages::read<messages::ObserveNoise>(message).seconds);
        } else if (type == messages::Stop::kType) {
          stop();
          return 0;
        } else {
          throw InputError("type", type, "is not a message of this protocol");
        }
      } catch (const std::exception& error) {
        fail(error.what());
        return 1;
      }
    }
  }

 private:
  void fail(const std::string& reason) {
    lifeline_.disarm();
    lifeline_.send(to_json(messages::Error{current_, stage_, reason}));
  }

  /// Names the step in flight, here and to the conductor, so that a crash has an owner.
  void announce(const std::string& kernel_id, const std::string& stage, double limit_seconds) {
    current_ = kernel_id;
    stage_ = stage;
    lifeline_.send(to_json(messages::Starting{kernel_id, stage}));
    lifeline_.arm(kernel_id, stage, limit_seconds);
  }

  /// The same of a step that is no kernel's.
  void announce(const std::string& stage) {
    constexpr double kLimitSeconds = 60;
    announce({}, stage, kLimitSeconds);
  }

  void hello(const messages::Hello& request) {
    if (request.protocol != messages::kProtocol) {
      throw InputError("protocol", std::to_string(request.protocol),
                       fmt::format("is not {}", messages::kProtocol));
    }
    require_threads(host_.threads, most_threads());
    messages::Welcome answer;
    answer.identity = identity_;
    answer.identity.libraries = all_library_versions();
    answer.identity.plugins_not_loaded = plugins_not_loaded();
    if (request.probe) {
      answer.environment = probe_environment(commit_);
      answer.kernels = kernel_offers();
      (*answer.environment)["libraries"] = answer.identity.libraries;
    }
    if (request.ceilings) answer.ceilings = host_.ceilings();
    for (const auto& name : request.devices) {
      announce(fmt::format("asking what device {} is", name));
      const auto device = open_device(name, host_);
      answer.devices[name] = {device->identity(), device->ceilings()};
      require_rates(name, answer.devices[name].ceilings);
    }
    lifeline_.disarm();
    lifeline_.send(to_json(answer));
  }

  void verify(const messages::Verify& request) {
    const auto& cell = request.cell;
    std::vector<KernelChoice> choices;
    announce(fmt::format("opening device {}", cell.device));
    const auto device = open_device(cell.device, host_);
    const auto free = device->free_bytes();
    const auto unable = unable_to_plan(request, *device);
    announce("planning");
    const auto other_paths = default_paths(request, unable, *device);
    const auto send = [&](VerificationOutcome outcome) {
      outcome.is_default_path = !other_paths.contains(outcome.record.kernel_id);
      lifeline_.send(to_json(messages::Outcome{std::move(outcome)}));
    };
    const auto fail_one = [&](const std::string& kernel_id, const std::string& reason) {
      VerificationOutcome outcome;
      outcome.record.cell_id = cell.id();
      outcome.record.kernel_id = kernel_id;
      outcome.record.reason = reason;
      send(std::move(outcome));
    };
    const auto refuse = [&](const std::string& kernel_id, const std::string& reason) {
      VerificationOutcome outcome;
      outcome.record.cell_id = cell.id();
      outcome.record.kernel_id = kernel_id;
      outcome.unsupported_reason = reason;
      send(outcome);
    };
    for (const auto& wanted : request.kernels) {
      const auto choice = find_choice(wanted);
      if (!choice && !plugins_not_loaded().empty()) {
        fail_one(wanted.id(), why_not_registered());
      } else if (!choice) {
        refuse(wanted.id(), "this build does not have it");
      } else if (const auto reason = unable.find(wanted.id()); reason != unable.end()) {
        fail_one(wanted.id(), reason->second);
      } else {
        choices.push_back(*choice);
      }
    }

    VerificationLimits limits;
    limits.seed = request.data_seed;
    auto available = available_memory_bytes();
    if (free > 0) available = std::min(available, free);
    limits.memory_bytes = available / 5 * 4;
    std::map<std::string, std::string> refused;
    refused = spare_baselines(request, unable, *device);
    // Where the tensors do not fit, that is the reason to give.
    if (request.default_path_only && why_tensors_do_not_fit(cell, available).empty())
      refused.merge(left_out(cell, choices, other_paths, *device));
    auto wanted = choices;  // what is left out needs no memory beside the others
    std::erase_if(wanted, [&](const auto& choice) { return refused.contains(choice.id()); });
    refused.merge(kernels_that_do_not_fit(cell, wanted, *device, available));
    std::vector<VerificationTarget> targets;
    for (const auto& choice : choices) {
      limits.seconds = choice.limit_seconds;
      if (const auto reason = refused.find(choice.id()); reason != refused.end()) {
        refuse(choice.id(), reason->second);
      } else {
        targets.push_back({cell.problem(choice.mechanism), choice.kernel});
      }
    }
    announce("verifying");
    lifeline_.disarm();
    verify_cell(cell.id(), targets, *device, limits, of_kernels_, send);
    lifeline_.send(to_json(messages::Verified{}));
  }

  /// Asks each candidate whether it supports the cell and what it needs, one by one: who crashes, hangs or
  /// throws there costs its own row. The reasons of those that throw.
  std::map<std::string, std::string> unable_to_plan(const messages::Verify& request, const Device& device) {
    std::map<std::string, std::string> reasons;
    for (const auto& candidate : request.candidates) {
      const auto choice = find_choice(candidate);
      if (!choice) continue;
      announce(choice->id(), "planning", choice->limit_seconds);
      const auto problem = request.cell.problem(choice->mechanism);
      bool supported = false;
      const auto reason =
          thrown([&] { supported = static_cast<bool>(choice->kernel->supports(problem, device)); });
      if (!reason.empty()) reasons[choice->id()] = reason + " when asked what it supports";
      if (supported) thrown([&] { choice->kernel->workspace_bytes(problem, device); });  // judged later
    }
    return reasons;
  }

  /// For each candidate of the cell that is not its kernel's default path here, that path. All candidates are
  /// asked, also where some are not to be verified any more, so that one answer holds for the cell.
  static std::map<std::string, std::string> default_paths(const messages::Verify& request,
                                                          const std::map<std::string, std::string>& unable,
                                                          const Device& device) {
    std::vector<KernelChoice> candidates;
    for (const auto& candidate : request.candidates) {
      const auto choice = find_choice(candidate);
      if (choice && !unable.contains(choice->id())) candidates.push_back(*choice);
    }
    std::map<std::string, std::string> paths;
    for (const auto& choice : candidates) {
      std::vector<const KernelInfo*> same_mechanism;
      for (const auto& other : candidates) {
        if (other.mechanism == choice.mechanism) same_mechanism.push_back(other.kernel);
      }
      const auto* preferred = default_path(*choice.kernel, same_mechanism,
                                           request.cell.problem(choice.mechanism), device, request.ceilings);
      if (preferred != nullptr && preferred != choice.kernel) paths[choice.id()] = preferred->path();
    }
    return paths;
  }

  /// The candidates that stand in for the cell's baseline, which needs none here, with the reason to leave
  /// them out.
  static std::map<std::string, std::string> spare_baselines(const messages::Verify& request,
                                                            const std::map<std::string, std::string>& unable,
                                                            const Device& device) {
    const auto& cell = request.cell;
    std::set<std::string> able;
    for (const auto& candidate : request.candidates) {
      const auto choice = find_choice(candidate);
      if (choice && cell.may_be_baseline(choice->id()) && !unable.contains(choice->id()) &&
          choice->kernel->supports(cell.problem(choice->mechanism), device))
        able.insert(choice->id());
    }
    const auto baseline = cell.baseline_among(able);
    std::map<std::string, std::string> reasons;
    for (const auto& candidate : request.candidates) {
      if (able.contains(baseline) && cell.is_spare_beside(baseline, candidate.id()))
        reasons[candidate.id()] = why_spare(baseline);
    }
    return reasons;
  }

  /// The kernels that support the cell on a path other than the default one, with the reason to leave them
  /// out. Baselines stay.
  static std::map<std::string, std::string> left_out(const Cell& cell,
                                                     const std::vector<KernelChoice>& choices,
                                                     const std::map<std::string, std::string>& other_paths,
                                                     const Device& device) {
    std::map<std::string, std::string> reasons;
    for (const auto& choice : choices) {
      const auto other = other_paths.find(choice.id());
      if (other == other_paths.end() || cell.may_be_baseline(choice.id())) continue;
      if (!choice.kernel->supports(cell.problem(choice.mechanism), device)) continue;
      reasons[choice.id()] = fmt::format("this profile times the default path alone, here {}", other->second);
    }
    return reasons;
  }

  void prepare(messages::Prepare request) {
    require_threads(host_.threads, team_size(host_.threads));
    announce(fmt::format("opening device {}", request.plan.cell.device));
    device_ = open_device(request.plan.cell.device, host_);
    measurement_.emplace(
        std::move(request.plan), *device_, host_.threads,
        [this](const auto& id, const auto& stage, double limit) { announce(id, stage, limit); });
    auto kernels = measurement_->prepare();
    read_device();
    lifeline_.disarm();
    lifeline_.send(to_json(messages::Prepared{std::move(kernels)}));
    noise_ = probe();
  }

  /// What engines' programs compute is this process's own work.
  NoiseProbe probe() const {
    auto now = probe_noise(host_.cpus);
    now.cpu_seconds += cpu_seconds_of_engine_programs();
    return now;
  }

  const std::map<std::string, double>& read_device() {
    announce(fmt::format("reading the state of device {}", device_->name()));
    device_readings_ = device_->probe();
    return device_readings_;
  }

  void slot(int block) {
    if (!measurement_) throw InputError("type", "slot", "came before prepare");
    auto samples = measurement_->run_block(block);
    lifeline_.disarm();
    lifeline_.send(to_json(messages::Samples{block, std::move(samples)}));
  }

  void observe(double seconds) { lifeline_.send(to_json(messages::Noise{observe_noise(host_, seconds)})); }

  void stop() {
    messages::Stopped answer;
    if (measurement_) {
      auto noise = difference(*noise_, probe());
      if (const auto drift = sentinel_drift(measurement_->sentinel_seconds()))
        noise["sentinel_drift"] = *drift;
      if (const auto start = device_readings_; !start.empty())
        noise["device"] = {{"start", start}, {"end", read_device()}};
      answer.noise = std::move(noise);
      answer.kernels = measurement_->recheck();
      lifeline_.disarm();
    }
    lifeline_.send(to_json(answer));
  }

  const CpuDevice& host_;
  WorkerIdentity identity_;
  std::string commit_;
  Program of_kernels_;  ///< that verify kernels
  Lifeline lifeline_;
  std::unique_ptr<Device> device_;  ///< of the cell that is measured
  std::map<std::string, double> device_readings_;
  Examiner examiner_;
  std::optional<CellMeasurement> measurement_;
  std::optional<NoiseProbe> noise_;
  std::string current_, stage_;
};

}  // namespace

int run_worker(const WorkerOptions& options, char** argv) {
  if (!options.exec.empty()) become_peer(options.exec, options.cpus);
  if (options.cpus.empty()) restart_pinned(options, argv);
  prefer_fast_cores();
  const int out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  std::vector<PluginFile> plugins;
  for (const auto& plugin : options.plugins) {
    plugins.push_back(identify_plugin(plugin));
    load_kernels_or_keep_why(plugin, options.cpus);
  }
  const auto device = pinned_device(options);
  const auto identity = identity_of(device, std::move(plugins));
  int exit_code = 0;
  const auto serve = [&] {
    exit_code = Worker(device, identity, options.commit, another_worker(argv), out_fd).serve();
  };
  if (options.layout_seed) {
    LayoutNoise(*options.layout_seed).run(serve);
  } else {
    serve();
  }
  // Kernels' static objects and thread pools are not torn down: nothing of this process is needed any more.
  _exit(exit_code);
}

}  // namespace attnbench
