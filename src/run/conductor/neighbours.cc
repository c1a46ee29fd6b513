#include "run/conductor/neighbours.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/json.h"
#include "run/conductor/worker_process.h"
#include "run/environment/advice.h"
#include "run/noise/consumers.h"
#include "run/noise/noise.h"
#include "run/protocol/messages.h"

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// One may be chance; two of the first say what the run will be like.
constexpr int kAdviseAfter = 2;
/// A machine so quiet that it rejects every other process rejects the first five in one run of 32.
constexpr int kHopelessAfter = 5;
/// As long as a short process takes.
constexpr double kQuietSeconds = 3;
/// Looking is work too, and takes CPUs from those that are waited for: pauses grow from one to the other.
constexpr double kFirstPauseSeconds = 1;
constexpr double kLongestPauseSeconds = 10;
constexpr double kNamingSeconds = 1;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void pause(double seconds) {
  const auto start = Clock::now();
  while (since(start) < seconds) {
    if (interrupted()) throw Interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::string named(const json& noise) {
  const auto consumers = consumers_in_words(noise.value("consumers", json::array()));
  return consumers.empty() ? "" : fmt::format("; busy: {}", consumers);
}

}  // namespace

Neighbours::Neighbours(const RunOptions& options, Progress& progress)
    : launch_(options.launch),
      progress_(progress),
      allowed_seconds_(options.wait_quiet_seconds),
      left_seconds_(options.wait_quiet_seconds) {
  launch_.plugins.clear();
  launch_.threads = 1;
  for (const auto& cell : options.study.cells) {
    if (cell.threads == 0 || launch_.threads == 0)
      launch_.threads = 0;  // every core, the most there is
    else
      launch_.threads = std::max(launch_.threads, cell.threads);
  }
}

std::optional<json> Neighbours::observe(double seconds) const {
  try {
    WorkerProcess worker(launch_, 0);
    worker.hello(Ask::nothing_more);
    worker.send(to_json(messages::ObserveNoise{seconds}));
    constexpr double kPatienceSeconds = 60;
    return *messages::read<messages::Noise>(worker.receive(kPatienceSeconds)).noise;
  } catch (const WorkerLost&) {
    return std::nullopt;
  }
}

void Neighbours::wait_for_quiet() {
  const auto start = Clock::now();
  const double had = left_seconds_;
  const auto count_down = [&] { left_seconds_ = std::max(0.0, had - since(start)); };
  std::string disturbance;
  double pause_seconds = kFirstPauseSeconds;
  while (left_seconds_ > 0) {
    const auto noise = observe(std::min(kQuietSeconds, left_seconds_));
    count_down();
    if (const auto why = noise ? reject_reason(*noise) : "the worker that looks was lost") {
      disturbance = *why + named(noise.value_or(json()));
    } else {
      if (!disturbance.empty())
        progress_.milestone(fmt::format("quiet after {}", duration_in_words(since(start))));
      return;
    }
    progress_.update(
        fmt::format("waiting for quiet, {} left: {}", duration_in_words(left_seconds_), disturbance));
    pause(std::min(pause_seconds, left_seconds_));
    pause_seconds = std::min(2 * pause_seconds, kLongestPauseSeconds);
    count_down();
  }
  if (had > 0) {
    progress_.warning(fmt::format("not quiet within --wait-quiet {}: {}; measured all the same",
                                  duration_in_words(allowed_seconds_), disturbance));
  }
}

bool Neighbours::hopeless() const { return !accepted_ && rejected_ >= kHopelessAfter; }

void Neighbours::rejected(const json& noise) {
  ++rejected_;
  if (rejected_ == kAdviseAfter) advise(noise);
  if (hopeless()) {
    progress_.warning(
        fmt::format("each of the first {} processes was rejected: stopped. Make the machine quiet as "
                    "said above, or let the run wait for it with --wait-quiet 30m",
                    rejected_));
    return;
  }
  wait_for_quiet();
}

void Neighbours::advise(json noise) {
  if (const auto now = observe(kNamingSeconds)) noise["consumers"] = now->value("consumers", json::array());
  std::string text = "the machine is disturbed, so processes are rejected:";
  for (const auto& advice : advise_on_noise(noise))
    text += fmt::format("\n  {}: {}", name(advice.kind), advice.text);
  text += "\n  --wait-quiet 10m waits for quiet; --accept-noise measures all the same, for a trial";
  progress_.warning(text);
}

}  // namespace attnbench
