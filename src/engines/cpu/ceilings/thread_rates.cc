#include "engines/cpu/ceilings/thread_rates.h"

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

double work_at(const std::vector<ThreadProgress>& log, double seconds) {
  const auto after = std::lower_bound(log.begin() + 1, log.end() - 1, seconds,
                                      [](const ThreadProgress& p, double t) { return p.seconds < t; });
  const auto& [t0, w0] = *(after - 1);
  const auto& [t1, w1] = *after;
  return w0 + (w1 - w0) * (seconds - t0) / (t1 - t0);
}

/// The best rate over windows inside [begin, end]; the whole log's where none fits.
double best_rate(const std::vector<ThreadProgress>& log, double begin, double end, double window) {
  double most = 0;
  const auto consider = [&](double from) {
    if (from >= begin && from + window <= end)
      most = std::max(most, work_at(log, from + window) - work_at(log, from));
  };
  consider(begin);
  for (const auto& progress : log) consider(progress.seconds);
  if (most > 0) return most / window;
  return (log.back().work - log.front().work) / (log.back().seconds - log.front().seconds);
}

}  // namespace

double sum_of_best_rates(std::span<const std::vector<ThreadProgress>> logs, double window_seconds) {
  double begin = logs[0].front().seconds;
  double end = logs[0].back().seconds;
  for (const auto& log : logs) {
    begin = std::max(begin, log.front().seconds);
    end = std::min(end, log.back().seconds);
  }
  double sum = 0;
  for (const auto& log : logs) sum += best_rate(log, begin, end, window_seconds);
  return sum;
}

double measure_thread_rates(int threads, double limit_seconds,
                            const std::function<void(int thread, std::int64_t repeats)>& body) {
  std::vector<std::vector<ThreadProgress>> logs(static_cast<std::size_t>(threads));
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
  return sum_of_best_rates(logs, kWindowSeconds);
}

}  // namespace attnbench
