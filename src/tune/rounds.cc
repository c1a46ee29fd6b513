#include "tune/rounds.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "plan/random.h"

namespace attnbench {
std::vector<std::vector<Subject*>> groups_of(const std::vector<Subject*>& all, double seconds,
                                             std::uint64_t seed) {
  SplitMix64 random(cell_seed(seed, "groups"));
  std::vector<std::vector<Subject*>> groups;
  double filled = 0;
  for (const auto i : random_permutation(static_cast<int>(all.size()), random)) {
    auto* subject = all[static_cast<std::size_t>(i)];
    if (groups.empty() || filled + subject->expected_seconds > seconds) {
      groups.emplace_back();
      filled = 0;
    }
    groups.back().push_back(subject);
    filled += subject->expected_seconds;
  }
  return groups;
}

/// One worker's life. True where it counts.
bool Rounds::measure_process(const std::vector<Subject*>& chunk, Clock::time_point until) {
  const int threads = chunk.front()->found.held_out.threads;
  const auto& device = places_.at(threads).device;
  const auto seed = cell_seed(options_.seed, fmt::format("certify {}", processes_));
  std::vector<std::vector<double>> times(chunk.size());
  const auto life =
      run_worker(options_, device, threads, seed, [&](WorkerProcess& worker, std::vector<double>& sentinel) {
        for (std::size_t i = 0; i < chunk.size() && Clock::now() < until; ++i) {
          const auto& subject = *chunk[i];
          const auto found =
              time_cell(worker, device,
                        {subject.found.held_out.problem, threads, subject.calls, kCertifyEffort, seed + i},
                        options_.memory_bytes, sentinel);
          if (found.size() != subject.calls.size()) continue;  // some do not fit into memory now
          for (const auto& call : subject.calls) times[i].push_back(found.at(call.kernel));
        }
      });
  if (!life.lost_kernel.empty()) {
    failed_ =
        fmt::format("{} failed while it was timed ({}): tune again", life.lost_kernel, life.lost_reason);
    return false;
  }
  ++processes_;
  if (life.disturbed) {
    ++rejected_;
    on_progress_(fmt::format("process {} counts for nothing: {}", processes_, *life.disturbed));
    return false;
  }
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (!times[i].empty()) chunk[i]->rounds.push_back(std::move(times[i]));
  }
  return true;
}

void Rounds::measure(const std::vector<Subject*>& subjects, int rounds, Clock::time_point until) {
  SplitMix64 random(cell_seed(options_.seed, fmt::format("order {}", processes_)));
  for (int round = 0; round < rounds && failed_.empty() && Clock::now() < until; ++round) {
    std::map<int, std::vector<std::vector<Subject*>>> by_threads;
    std::map<int, double> filled;
    for (const auto i : random_permutation(static_cast<int>(subjects.size()), random)) {
      auto* subject = subjects[static_cast<std::size_t>(i)];
      const int threads = subject->found.held_out.threads;
      auto& chunks = by_threads[threads];
      if (chunks.empty() || filled[threads] + subject->expected_seconds > kProcessSeconds) {
        chunks.emplace_back();
        filled[threads] = 0;
      }
      chunks.back().push_back(subject);
      filled[threads] += subject->expected_seconds;
    }
    std::vector<std::vector<Subject*>> disturbed;
    const auto measure_all = [&](const std::vector<std::vector<Subject*>>& chunks, bool again) {
      for (const auto& chunk : chunks) {
        double expected = kProcessStartSeconds;
        for (const auto* subject : chunk) expected += subject->expected_seconds;
        if (seconds_to(until) < expected / 2 || !failed_.empty()) return;
        if (!measure_process(chunk, until) && !again) disturbed.push_back(chunk);
      }
    };
    for (const auto& [threads, chunks] : by_threads) measure_all(chunks, false);
    measure_all(disturbed, true);
  }
}

std::vector<std::vector<double>> Rounds::by_kernel(const Subject& subject, std::size_t from) {
  const auto count = from > subject.rounds.size() ? 0 : (subject.rounds.size() - from) / 2 * 2;
  std::vector<std::vector<double>> times(subject.calls.size());
  for (std::size_t round = from; round < from + count; ++round) {
    for (std::size_t k = 0; k < times.size(); ++k) times[k].push_back(subject.rounds[round][k]);
  }
  return times;
}

}  // namespace attnbench
