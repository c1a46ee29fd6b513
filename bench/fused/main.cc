// What the fused kernels reach of this machine's ceilings. A kernel and its ceiling are timed in turn, round
// by round, so that a change of clock or a neighbour hits both; printed are the smallest and the middle time.
//   bench_fused [FILTER] [--threads N] [--rounds N] [--heads N]
// FILTER: only the cases whose name contains it. Needs a CPU with AVX-512.

#include <fmt/format.h>
#include <hwy/targets.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "attnbench/registry.h"
#include "ceilings_x86.h"
#include "core/parallel.h"
#include "reference/inputs.h"

namespace {

using namespace attnbench;

struct Options {
  std::string filter;
  int threads = 1;
  int rounds = 15;
  std::int64_t heads = 8;
};

struct Case {
  std::string mechanism;
  std::string path;
  std::int64_t seqlen_q, seqlen_kv, head_dim;
  std::int64_t heads = 0;  ///< 0: Options::heads
  /// Of path portable; its f32 ceiling is that of the target's registers.
  std::int64_t target = 0;
  DType dtype = DType::f32;
};

const std::vector<Case> kCases = {
    {"mha", "avx512bf16", 128, 128, 64},
    {"mha", "avx512bf16", 1024, 1024, 64},
    {"mha", "avx512bf16", 4096, 4096, 64},
    {"mha", "avx512bf16", 1024, 1024, 128},
    {"mha", "avx512", 128, 128, 64},
    {"mha", "avx512", 1024, 1024, 64},
    {"mha", "avx512", 1024, 1024, 128},
    {"mha(causal)", "avx512bf16", 4096, 4096, 64},
    {"mha(causal)", "avx512", 4096, 4096, 64},
    {"swa(w=64)", "avx512bf16", 1024, 1024, 64},
    {"swa(w=64)", "avx512bf16", 8192, 8192, 64},
    {"block_sparse(bs=32,globals=1)", "avx512bf16", 1024, 1024, 64},
    {"block_sparse(bs=32,globals=1)", "avx512bf16", 8192, 8192, 64},
    {"mha", "avx512bf16", 8192, 8192, 64},
    {"mha", "avx512bf16", 1024, 1024, 128, 32},
    {"gqa(kv=8)", "avx512bf16", 1024, 1024, 128, 32},
    {"mqa", "avx512bf16", 1024, 1024, 128, 32},
    {"gqa(kv=8)", "avx512bf16", 1, 8192, 128, 32},
    {"gqa(kv=8)", "avx512bf16", 1, 65536, 128, 32},
    {"gqa(kv=8)", "avx512", 1, 8192, 128, 32},
    {"mha", "portable", 128, 128, 64, 0, HWY_AVX2},
    {"mha", "portable", 1024, 1024, 64, 0, HWY_AVX2},
    {"mha", "portable", 1024, 1024, 128, 0, HWY_AVX2},
    {"mha", "portable", 1024, 1024, 64, 0, HWY_AVX2, DType::bf16},
    {"mha", "portable", 1024, 1024, 128, 0, HWY_AVX2, DType::bf16},
    {"mha(causal)", "portable", 4096, 4096, 64, 0, HWY_AVX2},
    {"swa(w=64)", "portable", 1024, 1024, 64, 0, HWY_AVX2},
    {"block_sparse(bs=32,globals=1)", "portable", 1024, 1024, 64, 0, HWY_AVX2},
    {"gqa(kv=8)", "portable", 1, 8192, 128, 32, HWY_AVX2},
    {"gqa(kv=8)", "portable", 1, 8192, 128, 32, HWY_AVX2, DType::bf16},
    {"mha", "portable", 128, 128, 64, 0, HWY_AVX3},
    {"mha", "portable", 1024, 1024, 64, 0, HWY_AVX3},
    {"mha", "portable", 1024, 1024, 128, 0, HWY_AVX3},
    {"mha", "portable", 1024, 1024, 64, 0, HWY_AVX3, DType::bf16},
    {"mha", "portable", 1024, 1024, 128, 0, HWY_AVX3, DType::bf16},
    {"swa(w=64)", "portable", 1024, 1024, 64, 0, HWY_AVX3},
    {"gqa(kv=8)", "portable", 1, 8192, 128, 32, HWY_AVX3},
    {"mha", "portable", 1024, 1024, 64, 0, HWY_SSE4},
    {"mha", "portable", 1024, 1024, 128, 0, HWY_SSE4},
};

/// How a case calls its path, as "portable/AVX2/bf16".
std::string path_name(const Case& c) {
  if (c.target == 0) return c.path;
  return fmt::format("{}/{}/{}", c.path, hwy::TargetName(c.target), name(c.dtype));
}

/// CPU time of this thread (one thread: what others take does not count), else wall time.
double now_seconds(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <typename Work>
double time_of(int threads, Work&& work) {
  const double start = now_seconds(threads);
  work();
  return now_seconds(threads) - start;
}

struct Times {
  std::vector<double> seconds;
  double least() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double middle() const {
    auto sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

void run_case(const Case& c, const Options& options) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = c.heads > 0 ? c.heads : options.heads;
  s.seqlen_q = c.seqlen_q;
  s.seqlen_kv = c.seqlen_kv;
  s.head_dim_qk = s.head_dim_v = c.head_dim;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  const bool bf16 = c.path == "avx512bf16";
  s.dtype_q = s.dtype_kv = s.dtype_o = bf16 ? DType::bf16 : c.dtype;
  hwy::SetSupportedTargetsForTest(c.target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  const bool half_width = c.target >= HWY_AVX2;
  const bool decode = c.seqlen_q != c.seqlen_kv;
  problem.phase = decode ? Phase::decode : Phase::prefill;
  problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), s.num_q_heads, 0);

  const auto device = cpu_device(options.threads);
  const auto* kernel = find_kernel({problem.mechanism, "fused", "cpu", c.path});
  if (kernel == nullptr || !kernel->supports(problem, device)) return;
  const auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
  const auto execution = kernel->prepare(problem, device);
  const auto queue = make_cpu_queue();
  const auto cost = work(problem);

  const auto bytes = static_cast<std::int64_t>(cost.compulsory_bytes);
  const Buffer memory(decode ? bytes : 1);
  std::fill_n(memory.as<char>(), memory.bytes(), '\1');
  constexpr std::int64_t kRounds = 50000;
  const auto call = [&] { execution->enqueue(data.tensors, *queue); };
  const auto ceiling = [&] {
    parallel_for(options.threads, options.threads, [&](std::int64_t thread, std::int64_t, int) {
      if (!decode) return half_width ? bench::run_products_256(kRounds) : bench::run_products(bf16, kRounds);
      const auto share = bytes / options.threads / 256 * 256;
      bench::read_bytes(memory.as<std::byte>() + thread * share, share);
    });
  };
  for (int n = 0; n < 3; ++n) call();
  // Batches of about 0.3 ms or one call: short enough to fall between two interruptions.
  const double once = time_of(options.threads, call);
  const int batch = std::max(1, static_cast<int>(3e-4 / once));
  Times kernel_times, ceiling_times;
  for (int round = 0; round < options.rounds; ++round) {
    ceiling_times.seconds.push_back(time_of(options.threads, ceiling));
    kernel_times.seconds.push_back(time_of(options.threads,
                                           [&] {
                                             for (int n = 0; n < batch; ++n) call();
                                           }) /
                                   batch);
  }
  const double amount = decode ? cost.compulsory_bytes : cost.useful_flops;
  const double ceiling_amount =
      decode ? static_cast<double>(bytes)
             : bench::flops_of_rounds(bf16, kRounds) * options.threads / (half_width ? 2 : 1);
  const auto share = [&](double kernel_seconds, double ceiling_seconds) {
    return 100 * (amount / kernel_seconds) / (ceiling_amount / ceiling_seconds);
  };
  fmt::print("{:<30} {:<18} {:>3} {:>5} {:>6} {:>4} {:>10.1f} {:>7.1f} {:>7.1f} {:>6.1f} {:>6.1f} {:>9.1f}\n",
             c.mechanism, path_name(c), s.num_q_heads, c.seqlen_q, c.seqlen_kv, c.head_dim,
             kernel_times.least() * 1e6, amount / kernel_times.least() * 1e-9,
             ceiling_amount / ceiling_times.least() * 1e-9,
             share(kernel_times.least(), ceiling_times.least()),
             share(kernel_times.middle(), ceiling_times.middle()),
             kernel_times.least() * 1e9 / static_cast<double>(s.num_q_heads * s.seqlen_q));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int a = 1; a < argc; ++a) {
    const std::string argument = argv[a];
    const auto value = [&] { return a + 1 < argc ? std::atoi(argv[++a]) : 0; };
    if (argument == "--threads") {
      options.threads = value();
    } else if (argument == "--rounds") {
      options.rounds = value();
    } else if (argument == "--heads") {
      options.heads = value();
    } else {
      options.filter = argument;
    }
  }
  std::string load;
  std::getline(std::ifstream("/proc/loadavg"), load);
  fmt::print("threads {}, load {}; G: GFLOP/s (useful FLOPs), decode GB/s (compulsory bytes)\n",
             options.threads, load);
  fmt::print("{:<30} {:<18} {:>3} {:>5} {:>6} {:>4} {:>10} {:>7} {:>7} {:>6} {:>6} {:>9}\n", "mechanism",
             "path", "H", "Nq", "Nkv", "D", "least us", "G", "ceiling", "%least", "%mid", "ns/query");
  for (const auto& c : kCases) {
    const auto name =
        fmt::format("{} {} {} {} {}", c.mechanism, path_name(c), c.seqlen_q, c.seqlen_kv, c.head_dim);
    if (name.find(options.filter) != std::string::npos) run_case(c, options);
  }
}
