#include "tune/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
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
#include "run/environment/libraries.h"
#include "run/verification/verify_cell.h"
#include "tune/evidence.h"
#include "tune/grid.h"
#include "tune/measuring.h"
#include "tune/worth.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

/// Processes that share the time for measuring.
constexpr double kProcesses = 6;
/// Loss of 0.2 % of the time is not worth measuring for.
constexpr double kLeastLoss = 0.002;

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

  void verify(const CpuDevice& device);
  void measure(int threads, double seconds);
  void measure_process(const CpuDevice& device, int threads, double seconds, bool coarse);
  /// A cell of the grid as it looks now.
  struct Prospect {
    const Problem* problem = nullptr;
    TuneOption option;
  };
  std::vector<Prospect> prospects(const CpuDevice& device, bool coarse) const;
  /// Of kernels that are not expected to take too long.
  std::vector<ExpectedCall> calls_for(const Problem& problem, const CpuDevice& device) const;
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
  std::set<std::pair<std::string, ProblemKind>> failed_kinds;
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
      // Windows and block sizes of one kind have one verdict: all must pass.
      for (const auto& [name, verdict] : passed) {
        if (failed.contains(name)) continue;
        const auto same = [&](const VerifiedKernel& v) { return v.kernel == name && v.kind == verdict.kind; };
        const auto found = std::find_if(profile_.verified.begin(), profile_.verified.end(), same);
        if (found == profile_.verified.end()) {
          profile_.verified.push_back(verdict);
        } else {
          found->deterministic = found->deterministic && verdict.deterministic;
        }
      }
      const auto kind = kind_of(verification_problems(mechanism, dtype).front());
      for (const auto& name : failed) failed_kinds.insert({name, kind});
    }
  }
  std::erase_if(profile_.verified,
                [&](const VerifiedKernel& v) { return failed_kinds.contains({v.kernel, v.kind}); });
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

std::vector<ExpectedCall> Tuning::calls_for(const Problem& problem, const CpuDevice& device) const {
  std::vector<ExpectedCall> calls;
  for (const auto* kernel : kernels_for(problem, device)) {
    const auto cost = book_.cost(*kernel, problem, device.threads);
    const double seconds =
        cost.time ? std::exp(cost.time->log_seconds) : nominal_seconds(problem, device.threads);
    if (seconds <= options_.call_limit_seconds) calls.push_back({kernel, seconds});
  }
  return calls;
}

std::vector<Tuning::Prospect> Tuning::prospects(const CpuDevice& device, bool coarse) const {
  constexpr double kUnknown = 1;
  std::vector<Prospect> all;
  for (const auto& [problem, is_coarse] : grid_) {
    if (coarse && !is_coarse) continue;
    if (options_.memory_bytes > 0 && tensor_bytes(problem) > options_.memory_bytes / 2) continue;
    Prospect prospect;
    prospect.problem = &problem;
    std::vector<Contender> contenders;
    const auto calls = calls_for(problem, device);
    for (const auto& call : calls) {
      const auto cost = book_.cost(*call.kernel, problem, device.threads);
      contenders.push_back({cost.time.value_or(CostModel::Prediction{std::log(call.seconds), kUnknown}), 0});
    }
    if (contenders.size() < 2) continue;  // there is nothing to choose
    std::size_t fastest = 0;
    for (std::size_t k = 1; k < contenders.size(); ++k) {
      if (contenders[k].time.log_seconds < contenders[fastest].time.log_seconds) fastest = k;
    }
    prospect.option = {coarse ? 1 : expected_loss(contenders, fastest), cell_seconds(problem, calls, {})};
    all.push_back(std::move(prospect));
  }
  return all;
}

/// One worker's life: what it measured counts, or not, as a whole.
void Tuning::measure_process(const CpuDevice& device, int threads, double seconds, bool coarse) {
  const auto end = Clock::now() + seconds_of(seconds);
  Evidence evidence;
  int cells = 0;
  const Problem* busy = nullptr;
  const auto seed = options_.seed + static_cast<std::uint64_t>(result_.processes);
  const auto life =
      run_worker(options_, device, threads, seed, [&](WorkerProcess& worker, std::vector<double>& sentinel) {
        // What is known changes when the process counts: one look at the grid serves all of it.
        auto open = prospects(device, coarse);
        while (!open.empty()) {
          std::vector<TuneOption> options;
          for (const auto& prospect : open) options.push_back(prospect.option);
          const double left = std::chrono::duration<double>(end - Clock::now()).count();
          const auto next = most_worthwhile(options, left, kLeastLoss);
          if (!next) break;
          busy = open[*next].problem;
          const auto times = time_cell(worker, device, {*busy, threads, calls_for(*busy, device), {}, seed},
                                       options_.memory_bytes, sentinel);
          for (const auto& [kernel, time] : times)
            evidence.add(name_of(*kernel), *busy, device.threads, time);
          if (!times.empty()) ++cells;
          open.erase(open.begin() + static_cast<std::ptrdiff_t>(*next));
        }
      });
  if (!life.lost_kernel.empty()) {
    if (busy == nullptr) throw InputError(fmt::format("a worker was lost: {}", life.lost_reason));
    // Nothing that this process measured is kept: who knows since when it was wrong.
    lost_.insert(life.lost_kernel);
    std::erase_if(profile_.verified, [&](const VerifiedKernel& v) { return v.kernel == life.lost_kernel; });
    lose(life.lost_kernel, *busy, life.lost_reason);
    learn(device);
    return;
  }
  ++result_.processes;
  if (life.disturbed) {
    ++result_.rejected;
    on_progress_(fmt::format("process {}: {} cells measured for nothing: {}", result_.processes, cells,
                             *life.disturbed));
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
  if (const auto noise = noise_before(options_, widest)) {
    result_.refused = fmt::format("the machine is too noisy to tell: {}", *noise);
    return std::move(result_);
  }
  profile_.origin = origin_here(device);
  for (const auto& [library, version] : library_versions()) profile_.environment[library] = version;
  profile_.environment["measured_utc"] = now_utc();
  if (options_.accept_noise) profile_.environment["noise"] = "accepted";
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
