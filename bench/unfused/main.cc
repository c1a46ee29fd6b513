/// How close the unfused kernels come to this machine's compute ceiling, as a table in Markdown:
///   bench_unfused THREADS [PEERS.csv]
/// Each figure is the best of many short turns; the ceiling's turns alternate with the kernel's, so that both
/// see the same clock and neighbours. PEERS.csv (machine, library, form, dtype, threads, head_dim, seqlen,
/// median_ms) adds PyTorch's eager form, as the share of the ceiling of its own session.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/parallel.h"
#include "engines/cpu/ceilings/loops.h"
#include "engines/cpu/matmul.h"

namespace attnbench {
namespace {

constexpr int kRounds = 25;
constexpr double kTurnSeconds = 0.004;

double now_seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// On one thread its CPU time, so that time lent to a neighbour is not counted; else wall-clock time.
double seconds_of(int threads, const std::function<void()>& work) {
  const auto clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const auto start = now_seconds(clock);
  work();
  return now_seconds(clock) - start;
}

/// Something that does `flops` in one call.
struct Subject {
  double flops;
  std::function<void()> call;
};

/// The best rate of each subject in FLOP/s, over turns of about kTurnSeconds taken alternately.
std::vector<double> best_rates(int threads, const std::vector<Subject>& subjects) {
  std::vector<double> best(subjects.size(), 0);
  std::vector<int> calls;
  for (const auto& subject : subjects) {
    subject.call();
    calls.push_back(static_cast<int>(kTurnSeconds / seconds_of(threads, subject.call)) + 1);
  }
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      subjects[i].call();
      const auto seconds = seconds_of(threads, [&] {
        for (int c = 0; c < calls[i]; ++c) subjects[i].call();
      });
      best[i] = std::max(best[i], subjects[i].flops * calls[i] / seconds);
    }
  }
  return best;
}

/// The fastest unit for the type, on every thread.
Subject ceiling(DType dtype, const CpuDevice& device) {
  ComputeLoop fastest{};
  double rate = 0;
  constexpr std::int64_t kIterations = 20000;
  for (const auto& loop : compute_loops(device.features)) {
    if (loop.dtype != dtype && loop.dtype != DType::f32) continue;
    for (int turn = 0; turn < 5; ++turn) {
      const auto reached =
          loop.flops_per_iteration * kIterations / seconds_of(1, [&] { loop.run(kIterations); });
      if (reached > rate) rate = reached, fastest = loop;
    }
  }
  return {fastest.flops_per_iteration * kIterations * device.threads, [fastest, &device] {
            parallel_for(device.threads, device.threads,
                         [&](std::int64_t, std::int64_t, int) { fastest.run(kIterations); });
          }};
}

std::vector<char> normal_values(DType dtype, std::int64_t count) {
  std::vector<char> bytes(static_cast<std::size_t>(count * size_bytes(dtype)));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = normal(random);
    visit(dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      reinterpret_cast<T*>(bytes.data())[i] = static_cast<T>(value);
    });
  }
  return bytes;
}

/// (dtype, head_dim, seqlen) -> milliseconds of PyTorch's eager form on one thread of the named machine.
using Peers = std::map<std::tuple<std::string, std::int64_t, std::int64_t>, double>;
constexpr const char* kPeersMachine = "AMD EPYC Zen 4 (2 cores)";
const std::map<std::string, double> kPeersCeiling = {{"f32", 115e9}, {"bf16", 232e9}};

Peers read_peers(const char* file) {
  Peers peers;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> fields;
    std::istringstream row(line);
    for (std::string field; std::getline(row, field, ',');) fields.push_back(field);
    if (fields.size() == 8 && fields[0] == kPeersMachine && fields[2] == "eager" && fields[4] == "1") {
      peers[{fields[3], std::stoll(fields[5]), std::stoll(fields[6])}] = std::stod(fields[7]);
    }
  }
  return peers;
}

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

void product_rows(DType dtype, const CpuDevice& device) {
  constexpr std::int64_t n = 1024;
  auto a = normal_values(dtype, n * n);
  auto b = normal_values(dtype, n * n);
  std::vector<float> c(static_cast<std::size_t>(n * n));
  cpu::Workspace workspace;
  cpu::Matmul matmul({.m = n, .n = n, .k = n, .a = {dtype, n}, .b = {dtype, n}, .c = {DType::f32, n}},
                     cpu::Matmul::Threading::team, device.threads, workspace);
  workspace.allocate();
  const auto rates = best_rates(
      device.threads,
      {ceiling(dtype, device), {2.0 * n * n * n, [&] { matmul.run(0, a.data(), b.data(), c.data()); }}});
  fmt::print("| product 1024^3 ({}) | {} | {} | {:.0f} | {:.0f} | {:.0f} % | |\n", matmul.implementation(),
             name(dtype), device.threads, rates[0] / 1e9, rates[1] / 1e9, 100 * rates[1] / rates[0]);
}

void kernel_row(const KernelInfo& kernel, const Mechanism& mechanism, DType dtype, const CpuDevice& device,
                std::int64_t head_dim, std::int64_t seqlen, const Peers& peers) {
  Problem p;
  p.shape = {.batch = 1,
             .num_q_heads = 8,
             .seqlen_q = seqlen,
             .seqlen_kv = seqlen,
             .head_dim_qk = head_dim,
             .head_dim_v = head_dim,
             .dtype_q = dtype,
             .dtype_kv = dtype,
             .dtype_o = dtype,
             .softmax_scale = 1 / std::sqrt(static_cast<double>(head_dim))};
  p.mechanism = bind_kv_heads(mechanism, 8, 0);
  if (const auto support = kernel.supports(p, device); !support) {
    fmt::print("| {} | {} | {} | | | {} | |\n", kernel_id(mechanism, kernel), name(dtype), device.threads,
               support.reason());
    return;
  }
  Tensors tensors;
  std::vector<std::vector<char>> memory;
  for (auto* view : {&tensors[Role::q], &tensors[Role::k], &tensors[Role::v], &tensors[Role::o]}) {
    memory.push_back(normal_values(dtype, 8 * seqlen * head_dim));
    *view = dense_view(memory.back().data(), dtype, Layout::bhsd, 1, 8, seqlen, head_dim);
  }
  const auto execution = kernel.prepare(p, device);
  const auto queue = device.make_queue();
  const auto binding = execution->bind(tensors);
  Binding* const bindings[] = {binding.get()};
  const auto rates = best_rates(
      device.threads,
      {ceiling(dtype, device), {kernel.executed_flops(p), [&] { execution->time(bindings, 1, *queue); }}});
  std::string peer;
  const auto found = peers.find({std::string(name(dtype)), head_dim, seqlen});
  if (found != peers.end() && kernel.kernel() == "unfused" && device.threads == 1) {
    const auto rate = kernel.executed_flops(p) / (found->second * 1e-3);
    peer = fmt::format("{:.0f} %", 100 * rate / kPeersCeiling.at(std::string(name(dtype))));
  }
  fmt::print("| {} D={} N={} | {} | {} | {:.0f} | {:.0f} | {:.0f} % | {} |\n", kernel_id(mechanism, kernel),
             head_dim, seqlen, name(dtype), device.threads, rates[0] / 1e9, rates[1] / 1e9,
             100 * rates[1] / rates[0], peer);
}

void run(int threads, const Peers& peers) {
  const auto device = cpu_device(threads);
  fmt::print("CPU: {} ({}), {} physical cores\n\n", cpu_model(), to_string(device.features),
             cpu_device(0).threads);
  fmt::print("| what | type | threads | ceiling GFLOP/s | reached | share | PyTorch eager |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  for (const auto dtype : {DType::f32, DType::bf16}) {
    if (cpu::matmul_support(dtype, device)) product_rows(dtype, device);
    for (const auto* text :
         {"mha/unfused@cpu", "swa(w=64)/masked@cpu", "swa(w=64)/gather@cpu",
          "block_sparse(bs=32,globals=1)/batched@cpu", "linear/two_gemm@cpu", "causal_linear/cumsum@cpu"}) {
      const auto id = parse_kernel_id(text);
      for (const std::int64_t head_dim : {64, 128}) {
        if (head_dim == 128 && id.kernel != "unfused") continue;
        for (const std::int64_t seqlen : {128, 256, 512, 1024}) {
          kernel_row(*find_kernel(id), id.mechanism, dtype, device, head_dim, seqlen, peers);
        }
      }
    }
  }
}

}  // namespace
}  // namespace attnbench

int main(int argc, char** argv) {
  using namespace attnbench;
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_unfused THREADS [PEERS.csv]\n");
    return 2;
  }
  try {
    run(std::stoi(argv[1]), argc > 2 ? read_peers(argv[2]) : Peers{});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_unfused: {}\n", error.what());
    return 2;
  }
}
