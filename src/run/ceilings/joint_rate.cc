#include "run/ceilings/joint_rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/parallel.h"

namespace attnbench {
namespace {

// Long against the clock's own cost, and twenty chunks a window; a window is short against a scheduler's
// slice.
constexpr double kChunkSeconds = 50e-6;
constexpr double kWindowSeconds = 1e-3;
/// Gives up waiting for all threads to start: a limit of the runtime may run them one after the other.
constexpr double kPatience = 10;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double work_at(const std::vector<Progress>& log, double seconds) {
  const auto after = std::lower_bound(log.begin() + 1, log.end() - 1, seconds,
                                      [](const Progress& p, double t) { return p.seconds < t; });
  const auto& [t0, w0] = *(after - 1);
  const auto& [t1, w1] = *after;
  return w0 + (w1 - w0) * (seconds - t0) / (t1 - t0);
}

}  // namespace

double best_joint_rate(std::span<const std::vector<Progress>> logs, double window_seconds) {
  double all_work = 0;
  double first = logs[0].front().seconds;
  double last = logs[0].back().seconds;
  double common_begin = first;
  double common_end = last;
  for (const auto& log : logs) {
    all_work += log.back().work - log.front().work;
    first = std::min(first, log.front().seconds);
    last = std::max(last, log.back().seconds);
    common_begin = std::max(common_begin, log.front().seconds);
    common_end = std::min(common_end, log.back().seconds);
  }
  double best = 0;
  const auto consider = [&](double begin) {
    if (begin < common_begin || begin + window_seconds > common_end) return;
    double work = 0;
    for (const auto& log : logs) work += work_at(log, begin + window_seconds) - work_at(log, begin);
    best = std::max(best, work / window_seconds);
  };
  consider(common_begin);
  for (const auto& progress : logs[0]) consider(progress.seconds);
  return best > 0 ? best : all_work / (last - first);
}

double measure_joint_rate(int threads, double limit_seconds,
                          const std::function<void(int thread, std::int64_t repeats)>& body) {
  std::vector<std::vector<Progress>> logs(static_cast<std::size_t>(threads));
  std::atomic<int> started = 0;
  parallel_for(threads, threads, [&](std::int64_t begin, std::int64_t, int) {
    const auto thread = static_cast<int>(begin);
    auto& log = logs[static_cast<std::size_t>(thread)];
    ++started;
    const double start = now_seconds();
    double deadline = start + kPatience * limit_seconds;
    bool all_started = false;
    std::int64_t repeats = 1;
    log.push_back({start, 0});
    while (log.size() < 2 || log.back().seconds < deadline) {
      body(thread, repeats);
      const double now = now_seconds();
      const double chunk = now - log.back().seconds;
      log.push_back({now, log.back().work + static_cast<double>(repeats)});
      if (chunk < kChunkSeconds) repeats *= 2;
      if (!all_started && started == threads) {
        all_started = true;
        deadline = now + limit_seconds;
      }
    }
  });
  return best_joint_rate(logs, kWindowSeconds);
}

}  // namespace attnbench
