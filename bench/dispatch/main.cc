/// What a decision of the dispatcher costs, as a table in Markdown:
///   bench_dispatch PROFILE [THREADS]
/// PROFILE is what `attnbench tune` wrote on this machine. A hit is choose() on a problem that is remembered,
/// on one thread and on THREADS at once (default 16); a miss is one on a problem that is not. Medians over
/// turns, and the slowest of 99 % of them, by the monotonic clock.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/dispatch.h"

namespace attnbench {
namespace {

Problem problem_of(std::int64_t seqlen, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = 8;
  s.seqlen_q = s.seqlen_kv = seqlen;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 0.125;
  problem.mechanism = bind_kv_heads(parse_mechanism("mha"), 8, 0);
  return problem;
}

struct Quantiles {
  double median = 0, p99 = 0;
};
Quantiles quantiles(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds[seconds.size() * 99 / 100]};
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds a call, one value a turn of 1000 calls over a few problems that are remembered.
std::vector<double> hits(const Dispatcher& dispatcher, std::span<const Mechanism> allowed) {
  constexpr int kTurns = 300, kCalls = 1000;
  std::vector<Problem> problems;
  for (std::int64_t n = 100; n < 108; ++n) problems.push_back(problem_of(n, DType::f32));
  for (const auto& problem : problems) dispatcher.choose(problem, allowed);
  std::vector<double> seconds;
  std::size_t found = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double start = now_seconds();
    for (int call = 0; call < kCalls; ++call)
      found +=
          dispatcher.choose(problems[static_cast<std::size_t>(call) % problems.size()], allowed).kernel !=
          nullptr;
    seconds.push_back((now_seconds() - start) / kCalls);
  }
  if (found != std::size_t{kTurns} * kCalls) std::abort();
  return seconds;
}

void print_row(const std::string& what, const Quantiles& q) {
  fmt::print("| {} | {:.3g} | {:.3g} |\n", what, 1e6 * q.median, 1e6 * q.p99);
}

void run(const std::string& profile, int threads) {
  const auto device = cpu_device(0);
  const Dispatcher dispatcher(device, {.profile = profile});
  fmt::print("Profile: {}\n\n", dispatcher.profile_problem().empty() ? name(dispatcher.profile_state())
                                                                     : dispatcher.profile_problem());
  fmt::print("| decision | median, us | 99 %, us |\n|---|---|---|\n");
  print_row("hit", quantiles(hits(dispatcher, {})));
  const std::vector<Mechanism> allowed = {bind_kv_heads(parse_mechanism("swa(w=64)"), 8, 0),
                                          bind_kv_heads(parse_mechanism("linear"), 8, 0)};
  print_row("hit, two more mechanisms allowed", quantiles(hits(dispatcher, allowed)));
  std::vector<std::vector<double>> of_threads(static_cast<std::size_t>(threads));
  std::vector<std::thread> running;
  for (auto& seconds : of_threads) running.emplace_back([&] { seconds = hits(dispatcher, {}); });
  for (auto& thread : running) thread.join();
  std::vector<double> all;
  for (const auto& seconds : of_threads) all.insert(all.end(), seconds.begin(), seconds.end());
  print_row(fmt::format("hit, {} threads at once", threads), quantiles(std::move(all)));
  std::vector<double> misses;
  for (std::int64_t n = 200; n < 1200; ++n) {
    const auto problem = problem_of(n, DType::f32);
    const double start = now_seconds();
    dispatcher.choose(problem);
    misses.push_back(now_seconds() - start);
  }
  print_row("miss", quantiles(std::move(misses)));
}

}  // namespace
}  // namespace attnbench

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: bench_dispatch PROFILE [THREADS]\n");
    return 2;
  }
  try {
    const int threads = argc == 3 ? std::atoi(argv[2]) : 16;
    if (threads < 1 || threads > 1024) throw std::runtime_error("threads: not from 1 to 1024");
    attnbench::run(argv[1], threads);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_dispatch: {}\n", error.what());
    return 2;
  }
}
