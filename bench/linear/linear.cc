/// Speed of linear attention on the CPU. Ceilings (register loops) and kernels take turns; each line shows
/// the fastest and the median of all rounds, per token and query head.
///   bench_linear [rounds] [threads] [part of the names to run]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/registry.h"
#include "reference/inputs.h"
#include "run/ceilings/loops.h"

namespace {

using namespace attnbench;

constexpr std::int64_t kHeads = 8;
constexpr std::int64_t kHeadDim = 64;

struct Entry {
  std::string name;
  double units = 1;  ///< tokens x heads, or FLOPs of a ceiling
  std::function<void()> call;
  std::vector<double> seconds = {};

  double fastest() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double median() const {
    auto sorted = seconds;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                     sorted.end());
    return sorted[sorted.size() / 2];
  }
};

struct Prepared {
  reference::ProblemData data;
  std::unique_ptr<Execution> execution;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 50;
  const auto device = cpu_device(argc > 2 ? std::atoi(argv[2]) : 1);
  const std::string part = argc > 3 ? argv[3] : "";
  const auto queue = make_cpu_queue();
  std::vector<Prepared> prepared;
  std::vector<Entry> ceilings;
  std::vector<Entry> kernels_timed;
  for (const auto& loop : compute_loops(device.features)) {
    constexpr std::int64_t kIterations = 100000;
    ceilings.push_back({fmt::format("{} {} {}", loop.unit, loop.path, name(loop.dtype)),
                        loop.flops_per_iteration * kIterations, [run = loop.run] { run(kIterations); }});
  }
  for (const auto* text : {"linear", "causal_linear"}) {
    for (const auto* kernel : kernels()) {
      const auto mechanism = bind_kv_heads(parse_mechanism(text), kHeads, 0);
      const auto computed = kernel->mechanisms();
      if (std::find(computed.begin(), computed.end(), mechanism.kind) == computed.end()) continue;
      for (const auto dtype : {DType::bf16, DType::f32}) {
        for (const std::int64_t n : {128, 512, 1024, 4096, 16384, 65536}) {
          Problem p;
          p.shape = {.num_q_heads = kHeads,
                     .seqlen_q = n,
                     .seqlen_kv = n,
                     .head_dim_qk = kHeadDim,
                     .head_dim_v = kHeadDim,
                     .dtype_q = dtype,
                     .dtype_kv = dtype,
                     .dtype_o = dtype};
          p.mechanism = mechanism;
          const auto name_of_entry = fmt::format("{} {} N={}", kernel_id(mechanism, *kernel), name(dtype), n);
          if (name_of_entry.find(part) == std::string::npos) continue;
          // Materialised prefix sums do not fit at every length.
          if (!kernel->supports(p, device) || kernel->workspace_bytes(p, device) > 200'000'000) continue;
          prepared.push_back(
              {reference::make_data(p, reference::InputKind::normal, 1, false), kernel->prepare(p, device)});
          auto* execution = prepared.back().execution.get();
          kernels_timed.push_back({name_of_entry, static_cast<double>(kHeads * n),
                                   [execution, tensors = prepared.back().data.tensors, &queue] {
                                     execution->enqueue(tensors, *queue);
                                   }});
        }
      }
    }
  }
  const auto time = [](Entry& entry) {
    const auto start = now();
    entry.call();
    entry.seconds.push_back(now() - start);
  };
  for (auto& entry : kernels_timed) entry.call();
  for (int round = 0; round < rounds; ++round) {
    for (auto& entry : kernels_timed) {
      for (auto& ceiling : ceilings) {
        if (ceiling.seconds.size() < static_cast<std::size_t>(4 * rounds)) time(ceiling);
      }
      // Long calls a few times only: their share of a neighbour's work is even.
      if (entry.seconds.empty() || entry.fastest() * round < 2) time(entry);
    }
  }
  fmt::print("{} thread(s), {} heads, D = {}, {} rounds\n", device.threads, kHeads, kHeadDim, rounds);
  for (const auto& entry : ceilings) {
    fmt::print("{:48} {:8.1f} {:8.1f} GFLOP/s (fastest, median)\n", entry.name,
               entry.units / entry.fastest() * 1e-9, entry.units / entry.median() * 1e-9);
  }
  for (const auto& entry : kernels_timed) {
    fmt::print("{:48} {:8.1f} {:8.1f} ns per token and head (fastest, median)\n", entry.name,
               entry.fastest() / entry.units * 1e9, entry.median() / entry.units * 1e9);
  }
  return 0;
}
