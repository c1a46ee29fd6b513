#include "tune/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/kernel_name.h"
#include "core/utc.h"
#include "dispatch/cost_book.h"
#include "dispatch/kernel_names.h"
#include "plan/budget.h"
#include "plan/random.h"
#include "run/conductor/worker_process.h"
#include "run/environment/libraries.h"
#include "run/noise/noise.h"
#include "run/protocol/messages.h"
#include "run/verification/verify_cell.h"
#include "run/worker/memory_fit.h"
#include "run/worker/slot_timer.h"
#include "stats/intervals.h"
#include "tune/evidence.h"
#include "tune/grid.h"
#include "tune/worth.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBlocks = 3;
constexpr int kWarmUpCalls = 10;
constexpr double kWarmUpSeconds = 0.1;
/// Processes that share the time for measuring.
constexpr double kProcesses = 6;
/// Loss of 0.2 % of the time is not worth measuring for.
constexpr double kLeastLoss = 0.002;
constexpr double kSilenceSeconds = 60;

/// Before anything is measured: rates that any machine reaches within a factor of ten or so.
double nominal_seconds(const Problem& problem, int threads) {
  constexpr double kFlops = 1e10, kBytes = 5e9, kCall = 3e-6;
  const auto work = cost_work_of(problem);
  return kCall + nominal_call_seconds(work.dense_flops, work.bytes, kFlops * threads, kBytes);
}

Cell cell_of(const Problem& problem, int threads, const std::string& baseline) {
  Cell cell;
  cell.shape = problem.shape;
  cell.scope = problem.scope;
  cell.phase = problem.phase;
  cell.threads = threads;
  cell.kv_heads = problem.mechanism.num_kv_heads;
  cell.mechanisms = {problem.mechanism};
  cell.baseline = baseline;
  return cell;
}

class Tuning {
 public:
  Tuning(const TuneOptions& options, const std::function<void(const std::string&)>& on_progress)
      : options_(options),
        on_progress_(on_progress),
        end_(Clock::now() + seconds_of(options.budget_seconds)) {}

  TuneResult run();

 private:
  static Clock::duration seconds_of(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  double seconds_left() const { return std::chrono::duration<double>(end_ - Clock::now()).count(); }

  LaunchOptions launch(int threads) const {
    LaunchOptions launch;
    launch.program = options_.program;
    launch.threads = threads;
    launch.plugins = options_.plugins;
    return launch;
  }

  void verify(const CpuDevice& device);
  void measure(int threads, double seconds);
  bool too_noisy_before(int threads);
  void measure_process(const CpuDevice& device, int threads, double seconds, bool coarse);
  bool measure_cell(WorkerProcess& worker, const CpuDevice& device, int threads, const Problem& problem,
                    Evidence& evidence, std::vector<double>& sentinel);

  /// A cell of the grid as it looks now.
  struct Prospect {
    const Problem* problem = nullptr;
    std::vector<const KernelInfo*> kernels;
    TuneOption option;
  };
  std::vector<Prospect> prospects(const CpuDevice& device, bool coarse,
                                  const std::set<std::size_t>& done) const;
  double expected_seconds(const KernelInfo& kernel, const Problem& problem, const CpuDevice& device) const;
  std::vector<const KernelInfo*> kernels_for(const Problem& problem, const CpuDevice& device) const;
  void lose(const std::string& kernel, const Problem& problem, const std::string& reason);
  void learn(const CpuDevice& device);

  const TuneOptions& options_;
  const std::function<void(const std::string&)>& on_progress_;
  const Clock::time_point end_;
  std::vector<GridProblem> grid_;
  std::set<std::string> lost_;  ///< kernels that failed while they were timed
  CostProfile profile_;
  CostBook book_;
  Evidence evidence_;
  TuneResult result_;
};

void Tuning::lose(const std::string& kernel, const Problem& problem, const std::string& reason) {
  result_.failures.push_back({kernel, in_words(kind_of(problem)), reason});
  on_progress_(fmt::format("{}: {} ({})", kernel, reason, in_words(kind_of(problem))));
}

void Tuning::verify(const CpuDevice& device) {
  Program program;
  program.words = {options_.program, "worker", "--threads", std::to_string(device.threads)};
  for (const auto& plugin : options_.plugins) program.words.insert(program.words.end(), {"--plugin", plugin});
  VerificationLimits limits;
  limits.memory_bytes = options_.memory_bytes;
  limits.seed = options_.seed;
  for (const auto& mechanism : options_.mechanisms) {
    for (const auto dtype : options_.dtypes) {
      std::map<std::string, VerifiedKernel> passed;
      std::set<std::string> failed;
      for (const auto& problem : verification_problems(mechanism, dtype)) {
        std::vector<VerificationTarget> targets;
        for (const auto* kernel : kernels()) {
          if (computes(*kernel, problem.mechanism.kind) && kernel->other_function(problem).empty() &&
              kernel->supports(problem, device))
            targets.push_back({problem, kernel});
        }
        std::size_t next = 0;
        verify_cell("", targets, device, limits, program, [&](const VerificationOutcome& outcome) {
          const auto name = name_of(*targets[next++].kernel);
          if (!outcome.unsupported_reason.empty()) return;
          if (!outcome.record.passed) {
            failed.insert(name);
            lose(name, problem, outcome.record.reason);
            return;
          }
          if (!outcome.record.reason.empty()) {  // less exact: it is not to be chosen
            failed.insert(name);
            on_progress_(fmt::format("{}: left out: {}", name, outcome.record.reason));
            return;
          }
          const bool same = outcome.record.rerun_bitwise.value_or(false);
          auto& verdict =
              passed.try_emplace(name, VerifiedKernel{name, kind_of(problem), true}).first->second;
          verdict.deterministic = verdict.deterministic && same;
        });
      }
      for (const auto& [name, verdict] : passed) {
        if (!failed.contains(name)) profile_.verified.push_back(verdict);
      }
    }
  }
  book_ = CostBook(profile_, device);
}

std::vector<const KernelInfo*> Tuning::kernels_for(const Problem& problem, const CpuDevice& device) const {
  std::vector<const KernelInfo*> able;
  for (const auto* kernel : kernels()) {
    if (computes(*kernel, problem.mechanism.kind) && !lost_.contains(name_of(*kernel)) &&
        book_.verified(*kernel, kind_of(problem)) && kernel->supports(problem, device))
      able.push_back(kernel);
  }
  return able;
}

double Tuning::expected_seconds(const KernelInfo& kernel, const Problem& problem,
                                const CpuDevice& device) const {
  const auto cost = book_.cost(kernel, problem, device.threads);
  return cost.time ? std::exp(cost.time->log_seconds) : nominal_seconds(problem, device.threads);
}

std::vector<Tuning::Prospect> Tuning::prospects(const CpuDevice& device, bool coarse,
                                                const std::set<std::size_t>& done) const {
  // Data are drawn on one thread; beside calls each cell costs messages.
  constexpr double kSecondsAnElement = 2e-8, kCellSeconds = 0.01, kUnknown = 1;
  std::vector<Prospect> all;
  for (std::size_t i = 0; i < grid_.size(); ++i) {
    if (done.contains(i) || (coarse && !grid_[i].coarse)) continue;
    const auto& problem = grid_[i].problem;
    if (options_.memory_bytes > 0 && tensor_bytes(problem) > options_.memory_bytes / 2) continue;
    Prospect prospect;
    prospect.problem = &problem;
    std::vector<Contender> contenders;
    double seconds = kCellSeconds + kSecondsAnElement * static_cast<double>(tensor_bytes(problem)) /
                                        static_cast<double>(size_bytes(problem.shape.dtype_q));
    for (const auto* kernel : kernels_for(problem, device)) {
      const double call = expected_seconds(*kernel, problem, device);
      if (call > options_.call_limit_seconds) continue;
      prospect.kernels.push_back(kernel);
      const auto cost = book_.cost(*kernel, problem, device.threads);
      contenders.push_back({cost.time.value_or(CostModel::Prediction{std::log(call), kUnknown}), 0});
      // First call, warm-up and primed slots; the slower of one call and a batch.
      seconds += 4 * call + std::min(kWarmUpSeconds, kWarmUpCalls * call) +
                 kBlocks * (2 * call + std::max(call, TimingRules().batch_seconds));
    }
    if (contenders.size() < 2) continue;  // there is nothing to choose
    std::size_t fastest = 0;
    for (std::size_t k = 1; k < contenders.size(); ++k) {
      if (contenders[k].time.log_seconds < contenders[fastest].time.log_seconds) fastest = k;
    }
    prospect.option = {coarse ? 1 : expected_loss(contenders, fastest), seconds};
    all.push_back(std::move(prospect));
  }
  return all;
}

bool Tuning::measure_cell(WorkerProcess& worker, const CpuDevice& device, int threads, const Problem& problem,
                          Evidence& evidence, std::vector<double>& sentinel) {
  MeasurementPlan plan;
  std::vector<KernelChoice> choices;
  for (const auto* kernel : kernels_for(problem, device)) {
    const double call = expected_seconds(*kernel, problem, device);
    if (call <= options_.call_limit_seconds)
      choices.push_back({problem.mechanism, kernel, batch_calls_for(call, {}), kSilenceSeconds});
  }
  if (choices.empty()) return false;
  plan.cell = cell_of(problem, threads, choices.front().id());
  const auto too_large = kernels_that_do_not_fit(plan.cell, choices, device, options_.memory_bytes / 4 * 5);
  std::erase_if(choices, [&](const KernelChoice& choice) { return too_large.contains(choice.id()); });
  if (choices.size() < 2) return false;
  plan.cell.baseline = choices.front().id();
  for (const auto& choice : choices) {
    const auto& kernel = *choice.kernel;
    plan.kernels.push_back({{choice.mechanism, std::string(kernel.kernel()), std::string(kernel.engine()),
                             std::string(kernel.path())},
                            choice.batch_calls,
                            choice.limit_seconds});
  }
  // Every other block backwards, so that a drift within the cell favours none.
  for (int block = 0; block < kBlocks; ++block) {
    std::vector<int> order;
    for (int k = 0; k < static_cast<int>(choices.size()); ++k) order.push_back(k);
    if (block % 2 != 0) std::reverse(order.begin(), order.end());
    plan.orders.push_back(order);
  }
  plan.warmup_limit_calls = kWarmUpCalls;
  plan.warmup_limit_seconds = kWarmUpSeconds;
  plan.data_seed = options_.seed + static_cast<std::uint64_t>(result_.processes);

  worker.send(to_json(messages::Prepare{plan}));
  messages::read<messages::Prepared>(worker.receive(kSilenceSeconds));
  std::map<std::string, std::vector<double>> times;
  for (int block = 0; block < kBlocks; ++block) {
    worker.send(to_json(messages::Slot{block}));
    for (const auto& sample : messages::read<messages::Samples>(worker.receive(kSilenceSeconds)).samples) {
      if (sample.role == "kernel") times[sample.kernel_id].push_back(sample.time_seconds);
      if (sample.role == "sentinel") sentinel.push_back(sample.time_seconds);
    }
  }
  for (const auto& choice : choices) {
    const auto& of_kernel = times[choice.id()];
    if (!of_kernel.empty())
      evidence.add(name_of(*choice.kernel), problem, device.threads, stats::median(of_kernel));
  }
  return true;
}

/// One worker's life: what it measured counts, or not, as a whole.
void Tuning::measure_process(const CpuDevice& device, int threads, double seconds, bool coarse) {
  const auto end = Clock::now() + seconds_of(seconds);
  Evidence evidence;
  std::vector<double> sentinel;
  int cells = 0;
  const auto before = probe_noise(device.cpus);
  const Problem* busy = nullptr;
  try {
    WorkerProcess worker(launch(threads), options_.seed + static_cast<std::uint64_t>(result_.processes));
    worker.hello(Ask::nothing_more);
    std::set<std::size_t> done;
    // What is known changes when the process counts: one look at the grid serves all of it.
    auto open = prospects(device, coarse, done);
    while (!open.empty()) {
      std::vector<TuneOption> options;
      for (const auto& prospect : open) options.push_back(prospect.option);
      const double left = std::chrono::duration<double>(end - Clock::now()).count();
      const auto next = most_worthwhile(options, left, kLeastLoss);
      if (!next) break;
      busy = open[*next].problem;
      if (measure_cell(worker, device, threads, *busy, evidence, sentinel)) ++cells;
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(*next));
    }
    worker.send(to_json(messages::Stop{}));
    for (const auto& kernel : messages::read<messages::Stopped>(worker.receive(kSilenceSeconds)).kernels) {
      const bool may_be_chosen = kernel.passed && kernel.reason.empty();
      if (!may_be_chosen && kernel.name != kAlias && busy != nullptr)
        throw WorkerLost(kernel.name, "recheck", kernel.reason);
    }
  } catch (const WorkerLost& lost) {
    // Nothing that this process measured is kept: who knows since when it was wrong.
    if (lost.kernel_id.empty() || busy == nullptr)
      throw InputError(fmt::format("a worker was lost: {}", lost.what()));
    const auto slash = lost.kernel_id.find('/');
    const auto kernel = lost.kernel_id.substr(slash + 1);
    lost_.insert(kernel);
    std::erase_if(profile_.verified, [&](const VerifiedKernel& v) { return v.kernel == kernel; });
    lose(kernel, *busy, fmt::format("{}: {}", lost.stage, lost.what()));
    learn(device);
    return;
  }
  ++result_.processes;
  auto noise = difference(before, probe_noise(device.cpus));
  if (const auto drift = sentinel_drift(sentinel)) noise["sentinel_drift"] = *drift;
  if (const auto reason = reject_reason(noise); reason && !options_.accept_noise) {
    ++result_.rejected;
    on_progress_(
        fmt::format("process {}: {} cells measured for nothing: {}", result_.processes, cells, *reason));
    return;
  }
  result_.cells += cells;
  evidence_.add(evidence);
  on_progress_(fmt::format("process {}: {} cells; {:.0f} s left", result_.processes, cells, seconds_left()));
  learn(device);
}

void Tuning::learn(const CpuDevice& device) {
  profile_.costs = evidence_.costs();
  book_ = CostBook(profile_, device);
}

bool Tuning::too_noisy_before(int threads) {
  if (options_.accept_noise) return false;
  constexpr double kSeconds = 1;
  WorkerProcess worker(launch(threads), options_.seed);
  worker.hello(Ask::nothing_more);
  worker.send(to_json(messages::ObserveNoise{kSeconds}));
  const auto noise = messages::read<messages::Noise>(worker.receive(kSilenceSeconds)).noise;
  const auto reason = reject_reason(*noise);
  if (reason) result_.refused = fmt::format("the machine is too noisy to tell: {}", *reason);
  return reason.has_value();
}

void Tuning::measure(int threads, double seconds) {
  const auto device = cpu_device(threads);
  const auto end = Clock::now() + seconds_of(seconds);
  for (bool coarse = true;; coarse = false) {
    const double left = std::chrono::duration<double>(end - Clock::now()).count();
    const double share = seconds / kProcesses;
    if (left < share / 2 && !coarse) break;
    const auto cells = result_.cells;
    const auto rejected = result_.rejected;
    const auto lost = lost_.size();
    measure_process(device, threads, std::min(share, left), coarse);
    const bool nothing_left = cells == result_.cells && rejected == result_.rejected && lost == lost_.size();
    if (nothing_left && !coarse) break;
  }
}

TuneResult Tuning::run() {
  const auto widest = *std::max_element(options_.threads.begin(), options_.threads.end(), [](int a, int b) {
    return cpu_device(a).threads < cpu_device(b).threads;
  });
  const auto device = cpu_device(widest);
  if (too_noisy_before(widest)) return std::move(result_);
  profile_.origin = origin_here(device);
  for (const auto& [library, version] : library_versions()) profile_.environment[library] = version;
  profile_.environment["measured_utc"] = now_utc();
  profile_.environment["cpu_features"] = to_string(cpu_features());
  verify(device);
  on_progress_(
      fmt::format("{} of kernel and kind verified; {:.0f} s left", profile_.verified.size(), seconds_left()));
  grid_ = tune_grid(options_.mechanisms, options_.dtypes);
  for (std::size_t i = 0; i < options_.threads.size(); ++i)
    measure(options_.threads[i], seconds_left() / static_cast<double>(options_.threads.size() - i));
  const int counted = result_.processes - result_.rejected;
  if (2 * result_.rejected > result_.processes) {
    result_.refused = fmt::format("the machine is too noisy to tell: {} of {} processes were disturbed",
                                  result_.rejected, result_.processes);
  } else if (counted < 2 || evidence_.empty()) {
    result_.refused = "too little was measured within the budget: name a larger one";
  } else {
    profile_.costs = evidence_.costs();
    result_.profile = std::move(profile_);
  }
  return std::move(result_);
}

}  // namespace

TuneResult tune(const TuneOptions& options, const std::function<void(const std::string&)>& on_progress) {
  return Tuning(options, on_progress).run();
}

}  // namespace attnbench
