// Does a slow neighbour change what is measured? Times mha/unfused in a slot that follows a kernel which
// sweeps 256 MB, and in one that follows the kernel itself, as slots of the tool are timed (priming calls,
// then a batch), in 10 fresh processes of 20 blocks. Prints the ratio of the two with its 95 % interval over
// processes, with and without priming.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "plan/random.h"
#include "reference/inputs.h"
#include "run/worker/slot_timer.h"
#include "stats/process_value.h"

namespace {

using namespace attnbench;

constexpr int kProcesses = 10;
constexpr int kBlocks = 20;
constexpr std::int64_t kSweepBytes = std::int64_t{256} << 20;

struct Subject {
  Problem problem;
  reference::ProblemData data;
  std::unique_ptr<Execution> execution;
};

Subject make_subject(std::int64_t seqlen, const CpuDevice& device) {
  Subject subject;
  auto& shape = subject.problem.shape;
  shape.num_q_heads = 8;
  shape.seqlen_q = shape.seqlen_kv = seqlen;
  shape.softmax_scale = 1 / std::sqrt(64.0);
  subject.problem.mechanism = bind_kv_heads(parse_mechanism("mha"), 8, 0);
  const auto* kernel = find_kernel(parse_kernel_id("mha/unfused@cpu"));
  if (kernel == nullptr) throw std::runtime_error("mha/unfused@cpu is not registered");
  subject.data = reference::make_data(subject.problem, reference::InputKind::normal, 1, false);
  subject.execution = kernel->prepare(subject.problem, device);
  return subject;
}

/// One process: the median over blocks of log(after the sweep / after itself).
double measure(std::int64_t seqlen, bool primed, std::uint64_t seed) {
  const auto device = cpu_device(0);
  auto subject = make_subject(seqlen, device);
  const auto queue = device.make_queue();
  const auto binding = subject.execution->bind(subject.data.tensors);
  Binding* const bindings[] = {binding.get()};
  const Calls calls_of = [&](std::int64_t calls) {
    return subject.execution->time(bindings, calls, *queue).seconds;
  };
  Buffer swept(kSweepBytes);
  const auto sweep = [&] {
    parallel_for(device.threads, kSweepBytes / 64, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto line = begin; line < end; ++line) ++swept.as<char>()[line * 64];
    });
  };
  const TimingRules rules;
  warm_up(calls_of, 50, 2, rules);
  const auto calls = batch_calls_for(calls_of(10) / 10, rules);
  const auto slot = [&] {
    if (primed) prime(calls_of, rules);
    const auto runs = primed ? calls : 1;
    return calls_of(runs) / static_cast<double>(runs);
  };
  SplitMix64 random(seed);
  std::vector<double> after_sweep_seconds, after_itself_seconds;
  for (int block = 0; block < kBlocks; ++block) {
    const bool sweep_first = random.below(2) == 0;
    for (const bool after_sweep : {sweep_first, !sweep_first}) {
      after_sweep ? sweep() : void(calls_of(1));
      (after_sweep ? after_sweep_seconds : after_itself_seconds).push_back(slot());
    }
  }
  return stats::process_log_ratio(after_sweep_seconds, after_itself_seconds);
}

/// Runs measure() in a fresh process: a second start of this program.
double in_fresh_process(const std::string& program, std::int64_t seqlen, bool primed, int process) {
  const auto command = fmt::format("'{}' {} {} {}", program, seqlen, primed ? 1 : 0, process + 1);
  FILE* pipe = popen(command.c_str(), "r");
  double log_ratio = 0;
  const int got = pipe == nullptr ? 0 : std::fscanf(pipe, "%lf", &log_ratio);
  if (pipe == nullptr || pclose(pipe) != 0 || got != 1)
    throw std::runtime_error("a measuring process failed");
  return log_ratio;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) {
    fmt::print("{:.17g}\n", measure(std::stol(argv[1]), argv[2][0] == '1', std::stoull(argv[3])));
    return 0;
  }
  fmt::print(
      "time of mha/unfused@cpu (f32, B=1, 8 heads, D=64) after a kernel that sweeps 256 MB / after itself\n");
  fmt::print("{} processes x {} blocks, {} threads\n", kProcesses, kBlocks, cpu_device(0).threads);
  bool inside = true;
  for (const bool primed : {true, false}) {
    for (const std::int64_t seqlen : {32, 128, 256, 512, 1024}) {
      std::vector<double> log_ratios;
      for (int process = 0; process < kProcesses; ++process) {
        log_ratios.push_back(in_fresh_process(argv[0], seqlen, primed, process));
      }
      const auto ratio = stats::ratio_interval(log_ratios);
      fmt::print("{:<28} N={:<4}  {:.3f}  [{:.3f}, {:.3f}]\n",
                 primed ? "primed slots (the method)" : "one unprimed call", seqlen, ratio.estimate,
                 ratio.low, ratio.high);
      const bool in_the_paper_study = seqlen >= 128;
      if (primed && in_the_paper_study) inside = inside && ratio.low >= 0.95 && ratio.high <= 1.05;
    }
  }
  fmt::print("primed intervals inside 0.95-1.05 at the N of the paper study (128 and more): {}\n",
             inside ? "yes" : "NO");
  return inside ? 0 : 1;
}
