// Where the time of a block of 32 rows goes in the AMX kernel, as Markdown: each stage in cycles, on one
// block whose data is in the caches, then the whole kernel per block. Cycles are those of a chain of
// additions timed in turn.
//   bench_amx_account [--rounds N]
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "engines/cpu/ceilings/loops.h"
#include "reference/inputs.h"
#include "variants.h"

namespace {

using namespace attnbench;

struct Case {
  const char* mechanism;
  std::int64_t seqlen, head_dim;
};
constexpr Case kCases[] = {{"mha", 1024, 64},
                           {"mha", 1024, 128},
                           {"swa(w=64)", 1024, 64},
                           {"block_sparse(bs=32,globals=1)", 1024, 64}};
constexpr std::int64_t kHeads = 8;
constexpr std::int64_t kRows = cpu::fused::kLanes;

double now_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds_a_call(const std::function<void()>& call) {
  constexpr double kBatchSeconds = 3e-4;
  int calls = 1;
  while (true) {
    const double start = now_seconds();
    for (int n = 0; n < calls; ++n) call();
    const double seconds = now_seconds() - start;
    if (seconds >= kBatchSeconds) return seconds / calls;
    calls *= 2;
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// Cycles of a call of each, by round; in a round they take turns.
class Cycles {
 public:
  Cycles(const std::vector<std::function<void()>>& calls, int rounds) {
    constexpr std::int64_t kAdditions = 4096;
    for (int round = 0; round < rounds; ++round) {
      const double cycle = seconds_a_call([] { account::add_chain(kAdditions); }) / kAdditions;
      rounds_.emplace_back();
      for (const auto& call : calls) rounds_.back().push_back(seconds_a_call(call) / cycle);
    }
  }
  /// Median of call `n`, less call `without` of the same round.
  double of(std::size_t n, std::optional<std::size_t> without = std::nullopt) const {
    std::vector<double> values;
    for (const auto& round : rounds_) values.push_back(round[n] - (without ? round[*without] : 0));
    return median(std::move(values));
  }

 private:
  std::vector<std::vector<double>> rounds_;
};

struct Kernel {
  Problem problem;
  reference::ProblemData data;
  std::unique_ptr<Execution> execution;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Binding> binding;
};

Kernel kernel_of(const Case& c, std::int64_t heads, std::int64_t seqlen) {
  Kernel kernel;
  auto& s = kernel.problem.shape;
  s.num_q_heads = heads;
  s.seqlen_q = s.seqlen_kv = seqlen;
  s.head_dim_qk = s.head_dim_v = c.head_dim;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  s.dtype_q = s.dtype_kv = s.dtype_o = DType::bf16;
  kernel.problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), heads, 0);
  kernel.data = reference::make_data(kernel.problem, reference::InputKind::normal, 1, false);
  const auto* info = find_kernel({kernel.problem.mechanism, "fused", "cpu", "amx"});
  const auto device = cpu_device(1);
  kernel.execution = info->prepare(kernel.problem, device);
  kernel.queue = device.make_queue();
  kernel.binding = kernel.execution->bind(kernel.data.tensors);
  return kernel;
}

/// The ceiling loop of the tile unit: products that do not wait for each other.
ComputeLoop tile_loop() {
  for (const auto& loop : compute_loops(cpu_features())) {
    if (loop.path == std::string_view("amx")) return loop;
  }
  throw std::logic_error("no loop for tiles on a CPU that has them");
}
constexpr double kProductFlops = 2.0 * 16 * 16 * 32;

void print_case(const Case& c, int rounds) {
  const auto mechanism = bind_kv_heads(parse_mechanism(c.mechanism), 1, 0);
  account::OneBlock one(mechanism, c.seqlen, c.head_dim, c.seqlen / 2, account::whole_path());
  account::OneBlock vectors(mechanism, c.seqlen, c.head_dim, c.seqlen / 2, account::path_without_tiles());
  auto small = kernel_of(c, 1, 128);
  auto large = kernel_of(c, kHeads, c.seqlen);
  const auto run = [](Kernel& kernel) {
    Binding* const bindings[] = {kernel.binding.get()};
    kernel.execution->time(bindings, 1, *kernel.queue);
    account::enter_tiles();  // a call releases them
  };
  constexpr std::int64_t kIterations = 1000;
  const auto loop = tile_loop();
  account::enter_tiles();
  enum { begin, attend, finish, pack, tiles, vector_work, small_kernel, large_kernel, products };
  const Cycles cycles(
      {[&] { one.begin(); }, [&] { one.begin(), one.attend(); },
       [&] { one.begin(), one.attend(), one.finish(); },
       [&] { one.pack(), one.begin(), one.attend(), one.finish(); },
       [&] { one.begin(), account::tiles_alone(one); }, [&] { vectors.begin(), vectors.attend(); },
       [&] { run(small); }, [&] { run(large); }, [&] { loop.run(kIterations), account::enter_tiles(); }},
      rounds);
  account::leave_tiles();
  const double small_blocks = 128.0 / kRows;
  const double large_blocks = static_cast<double>(kHeads * c.seqlen) / kRows;
  const bool dense = mechanism.kind == MechanismKind::mha;
  const auto whole_small = dense ? "" : fmt::format("{:.0f}", cycles.of(small_kernel) / small_blocks);
  fmt::print(
      "| {} | {} | {:.1f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {} | {:.0f} |\n",
      c.mechanism, c.head_dim, cycles.of(products) / (kIterations * loop.flops_per_iteration / kProductFlops),
      cycles.of(pack, finish), cycles.of(begin), cycles.of(attend, begin), cycles.of(tiles, begin),
      cycles.of(vector_work, begin), cycles.of(finish, attend), cycles.of(pack), whole_small,
      cycles.of(large_kernel) / large_blocks);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Cycles of the AMX kernel's stages, of a block of 32 rows, as Markdown"};
  int rounds = 21;
  app.add_option("--rounds", rounds, "Rounds of each row")->capture_default_str()->check(CLI::Range(3, 1000));
  CLI11_PARSE(app, argc, argv);
  if (!cpu_features().amx_bf16) {
    fmt::print(stderr, "bench_amx_account: this CPU has no AMX\n");
    return 2;
  }
  fmt::print(
      "| mechanism | D | a product | packing | begin | attend | its tile operations alone | its vector work "
      "alone | "
      "finish "
      "| all stages | kernel, 1 head, N = 128 | kernel, 8 heads, N = 1024 |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& c : kCases) print_case(c, rounds);
}
