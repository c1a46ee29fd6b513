#include "aa/designs.h"

#include <algorithm>
#include <limits>
#include <map>

#include "attnbench/error.h"
#include "stats/contrast.h"
#include "stats/process_value.h"
#include "stats/verdicts.h"

namespace attnbench::bench {
namespace {

constexpr double kLevel = 0.05;

/// Valid times of a kernel in a process, in order: by block, or of the unbatched calls by number.
std::map<int, double> times(const ProcessRecord& process, const std::string& kernel, const char* role) {
  std::map<int, double> seconds;
  for (const auto& s : process.samples) {
    if (s.valid && s.role == role && s.kernel_id == kernel)
      seconds[s.block < 0 ? s.position : s.block] = s.time_seconds;
  }
  return seconds;
}

std::vector<double> log_ratios(const Replicate& replicate, const std::string& a, const std::string& b) {
  std::vector<double> logs;
  for (const auto* process : replicate.processes) {
    const auto of_a = times(*process, a, "kernel");
    const auto of_b = times(*process, b, "kernel");
    std::vector<double> seconds_a, seconds_b;
    for (const auto& [block, seconds] : of_a) {
      const auto other = of_b.find(block);
      if (other == of_b.end()) continue;
      seconds_a.push_back(seconds);
      seconds_b.push_back(other->second);
    }
    if (!seconds_a.empty()) logs.push_back(stats::process_log_ratio(seconds_a, seconds_b));
  }
  return logs;
}

/// Share of all pairs for which `p` is below the level.
template <typename P>
double share_declared(const Replicate& replicate, P p) {
  double declared = 0;
  double pairs = 0;
  for (std::size_t a = 0; a < replicate.kernels.size(); ++a) {
    for (std::size_t b = a + 1; b < replicate.kernels.size(); ++b) {
      declared += p(replicate.kernels[a], replicate.kernels[b]) < kLevel;
      ++pairs;
    }
  }
  return declared / pairs;
}

std::vector<double> pooled(const Replicate& replicate, const std::string& kernel, const char* role) {
  std::vector<double> all;
  for (const auto* process : replicate.processes) {
    for (const auto& [number, seconds] : times(*process, kernel, role)) all.push_back(seconds);
  }
  return all;
}

double pooled_share(const Replicate& replicate, const char* role) {
  if (pooled(replicate, replicate.baseline, role).empty()) return std::numeric_limits<double>::quiet_NaN();
  return share_declared(replicate, [&](const auto& a, const auto& b) {
    return stats::welch_difference(pooled(replicate, a, role), pooled(replicate, b, role)).two_sided_p();
  });
}

}  // namespace

std::vector<Replicate> replicates(std::span<const RunContents> runs, int processes) {
  std::vector<Replicate> all;
  for (const auto& run : runs) {
    for (const auto& cell : run.cells) {
      Replicate next;
      for (const auto& kernel : cell.kernels) {
        if (kernel.engine != "aa") throw InputError("kernel", kernel.id(), "is not one of the A/A study's");
        if (kernel.is_baseline) next.baseline = kernel.id();
        if (kernel.support_reason.empty() && kernel.quarantine_reason.empty())
          next.kernels.push_back(kernel.id());
      }
      for (const auto& process : run.processes) {
        if (!process.valid || process.cell_id != cell.cell_id) continue;
        next.processes.push_back(&process);
        if (std::ssize(next.processes) < processes) continue;
        all.push_back(next);
        next.processes.clear();
      }
    }
  }
  return all;
}

double paired_processes(const Replicate& replicate) {
  return share_declared(replicate, [&](const auto& a, const auto& b) {
    return stats::estimate(stats::sample_mean(log_ratios(replicate, a, b))).two_sided_p();
  });
}

double pooled_batches(const Replicate& replicate) { return pooled_share(replicate, "kernel"); }

double pooled_calls(const Replicate& replicate) { return pooled_share(replicate, "unbatched"); }

bool has_false_verdict(const Replicate& replicate) {
  std::vector<std::vector<double>> family;
  for (const auto& kernel : replicate.kernels) {
    if (kernel != replicate.baseline) family.push_back(log_ratios(replicate, replicate.baseline, kernel));
  }
  const auto judgements = stats::judge_family(family);
  return std::any_of(judgements.begin(), judgements.end(), [](const auto& judgement) {
    return judgement.verdict == stats::Verdict::kFaster || judgement.verdict == stats::Verdict::kSlower;
  });
}

}  // namespace attnbench::bench
