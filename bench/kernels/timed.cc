#include "timed.h"

#include <time.h>

#include <algorithm>
#include <cmath>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/parallel.h"
#include "engines/cpu/ceilings/loops.h"
#include "run/ceilings/default_path.h"

namespace bench {

using namespace attnbench;

namespace {

Problem problem_of(const Entry& entry) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = entry.heads;
  s.seqlen_q = entry.seqlen_q;
  s.seqlen_kv = entry.seqlen_kv;
  s.head_dim_qk = s.head_dim_v = entry.head_dim;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(entry.head_dim));
  s.dtype_q = s.dtype_kv = s.dtype_o = entry.dtype;
  problem.phase = entry.seqlen_q == entry.seqlen_kv ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(entry.mechanism), entry.heads, 0);
  return problem;
}

const KernelInfo* choose(const Entry& entry, const Problem& problem, const CpuDevice& device,
                         const Ceilings& ceilings) {
  std::vector<const KernelInfo*> same;
  for (const auto* kernel : kernels()) {
    if (computes(*kernel, problem.mechanism.kind) && kernel->kernel() == entry.kernel &&
        kernel->engine() == "cpu" && (entry.path.empty() || kernel->path() == entry.path))
      same.push_back(kernel);
  }
  return same.empty() ? nullptr : default_path(*same.front(), same, problem, device, ceilings);
}

struct Prepared {
  CpuDevice device;
  reference::ProblemData data;
  std::unique_ptr<Execution> execution;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Binding> binding;

  void call() {
    Binding* const bindings[] = {binding.get()};
    execution->time(bindings, 1, *queue);
  }
};

double now_seconds(bool cpu_time) {
  timespec t{};
  clock_gettime(cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// After as many untimed calls: caches are hot, as in a slot of a study.
double seconds_of(const Timed& timed, int calls, bool cpu_time) {
  for (int n = 0; n < calls; ++n) timed.call();
  const double start = now_seconds(cpu_time);
  for (int n = 0; n < calls; ++n) timed.call();
  return (now_seconds(cpu_time) - start) / calls;
}

int batch_calls(const Timed& timed, bool cpu_time) {
  constexpr double kBatchSeconds = 3e-4;
  timed.call();
  return std::max(1, static_cast<int>(kBatchSeconds / seconds_of(timed, 1, cpu_time)));
}

}  // namespace

Timed prepare(const Entry& entry, const Ceilings& ceilings) {
  const auto problem = problem_of(entry);
  auto prepared = std::make_shared<Prepared>();
  prepared->device = cpu_device(entry.threads);
  const auto* kernel = choose(entry, problem, prepared->device, ceilings);
  if (kernel == nullptr) return {};
  prepared->data = reference::make_data(problem, reference::InputKind::normal, 1, false);
  prepared->execution = kernel->prepare(problem, prepared->device);
  prepared->queue = prepared->device.make_queue();
  prepared->binding = prepared->execution->bind(prepared->data.tensors);
  const auto cost = work(problem);
  const bool decode = problem.phase == Phase::decode;
  return {std::string(kernel->path()), decode ? cost.compulsory_bytes : cost.useful_flops,
          static_cast<double>(entry.seqlen_q * entry.heads), [p = prepared.get()] { p->call(); }, prepared};
}

Timed compute_ceiling(DType dtype, int threads, const Ceilings& ceilings) {
  const ComputeLoop* fastest = nullptr;
  double greatest = 0;
  static const auto loops = compute_loops(cpu_features());
  for (const auto& loop : loops) {
    if (loop.dtype != DType::f32 && loop.dtype != dtype) continue;
    for (const auto& ceiling : ceilings.compute) {
      if (ceiling.unit != loop.unit || ceiling.path != loop.path || ceiling.flops_per_second <= greatest)
        continue;
      fastest = &loop;
      greatest = ceiling.flops_per_second;
    }
  }
  const auto rate = greatest / fastest->flops_per_iteration / ceilings.threads;
  const auto iterations = static_cast<std::int64_t>(rate * 3e-4);
  return {fastest->unit, fastest->flops_per_iteration * static_cast<double>(iterations * threads), 0,
          [fastest, iterations, threads] {
            parallel_for(threads, threads,
                         [&](std::int64_t, std::int64_t, int) { fastest->run(iterations); });
          }};
}

Timed read_ceiling(std::int64_t bytes, int threads) {
  const auto share = std::max(bytes / threads / kMemoryLoopBytes, std::int64_t{1}) * kMemoryLoopBytes;
  auto memory = std::make_shared<Buffer>(share * threads);
  std::fill_n(memory->as<char>(), memory->bytes(), '\1');
  return {"read", static_cast<double>(share * threads), 0,
          [m = memory.get(), share, threads, read = memory_loops(cpu_features()).read] {
            parallel_for(threads, threads, [&](std::int64_t thread, std::int64_t, int) {
              read(m->as<std::byte>() + thread * share, share);
            });
          },
          memory};
}

Pair measure_in_turn(const Timed& subject, const Timed& reference, int rounds, bool cpu_time) {
  const int subject_calls = batch_calls(subject, cpu_time);
  const int reference_calls = batch_calls(reference, cpu_time);
  Pair pair;
  for (int round = 0; round < rounds; ++round) {
    pair.reference.push_back(seconds_of(reference, reference_calls, cpu_time));
    pair.subject.push_back(seconds_of(subject, subject_calls, cpu_time));
  }
  return pair;
}

std::vector<double> measure(const Timed& timed, int rounds, bool cpu_time) {
  const int calls = batch_calls(timed, cpu_time);
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) seconds.push_back(seconds_of(timed, calls, cpu_time));
  return seconds;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

}  // namespace bench
