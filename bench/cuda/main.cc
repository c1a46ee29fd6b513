/// Times of the kernels of engines `cuda` and `cudnn` on shapes that people need, by graph replay: over one
/// set of tensors (hot: small shapes then live in the L2) and over sets that rotate past it.
///
///   bench_cuda [--plugin FILE] [--device cuda:0] [--kernel fused@cuda] [--shape SUBSTRING]
///
/// Each result was verified by `attnbench verify`, not here.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "attnbench/registry.h"
#include "core/buffer.h"
#include "core/kernel_name.h"
#include "core/random.h"

namespace attnbench {
namespace {

struct Case {
  const char* name;
  const char* mechanism;
  std::int64_t batch, q_heads, kv_heads, seqlen_q, seqlen_kv, head_dim;
};

constexpr Case kCases[] = {
    {"decode q8 64/8 S131072", "gqa(kv=8,causal)", 1, 64, 8, 8, 131072, 128},
    {"decode q2 32/8 S131072", "gqa(kv=8,causal)", 1, 32, 8, 2, 131072, 128},
    {"decode q1 32/8 S131072", "gqa(kv=8,causal)", 1, 32, 8, 1, 131072, 128},
    {"decode q1 32/8 S4096", "gqa(kv=8,causal)", 1, 32, 8, 1, 4096, 128},
    {"decode q8 32/8 S4096", "gqa(kv=8,causal)", 1, 32, 8, 8, 4096, 128},
    {"decode q1 32/8 S1024", "gqa(kv=8,causal)", 1, 32, 8, 1, 1024, 128},
    {"decode B32 32/8 S8192", "gqa(kv=8,causal)", 32, 32, 8, 1, 8192, 128},
    {"swa64 N512 D64", "swa(w=64)", 1, 8, 8, 512, 512, 64},
    {"swa64 N1024 D64", "swa(w=64)", 1, 8, 8, 1024, 1024, 64},
    {"swa128 N8192 D64", "swa(w=128)", 1, 8, 8, 8192, 8192, 64},
    {"swa256 B2H16 N8192 D128", "swa(w=256)", 2, 16, 16, 8192, 8192, 128},
    {"swa256 B1H16 N8192 D128", "swa(w=256)", 1, 16, 16, 8192, 8192, 128},
    {"swa1024 H16 N8192 D128", "swa(w=1024)", 1, 16, 16, 8192, 8192, 128},
    {"block128 H16 N32768 D128", "block_sparse(bs=128,globals=1)", 1, 16, 16, 32768, 32768, 128},
    {"block32 H8 N1024 D64", "block_sparse(bs=32,globals=1)", 1, 8, 8, 1024, 1024, 64},
    {"causal_linear H8 N1024 D64", "causal_linear", 1, 8, 8, 1024, 1024, 64},
    {"causal_linear H8 N4096 D64", "causal_linear", 1, 8, 8, 4096, 4096, 64},
    {"causal_linear H16 N32768 D128", "causal_linear", 1, 16, 16, 32768, 32768, 128},
    {"linear H16 N32768 D128", "linear", 1, 16, 16, 32768, 32768, 128},
    {"dense H8 N1024 D64", "mha", 1, 8, 8, 1024, 1024, 64},
    {"dense H16 N2048 D128", "mha", 1, 16, 16, 2048, 2048, 128},
    {"dense H16 N4096 D64", "mha", 1, 16, 16, 4096, 4096, 64},
    {"dense H16 N8192 D128", "mha", 1, 16, 16, 8192, 8192, 128},
    {"dense H16 N8192 D64", "mha", 1, 16, 16, 8192, 8192, 64},
    {"causal H16 N2048 D128", "mha(causal)", 1, 16, 16, 2048, 2048, 128},
    {"causal H16 N4096 D64", "mha(causal)", 1, 16, 16, 4096, 4096, 64},
    {"causal H16 N8192 D128", "mha(causal)", 1, 16, 16, 8192, 8192, 128},
};

/// Random numbers of one block of memory, again and again: speed depends on bits that change, not on which.
void fill(const TensorView& view, std::uint64_t seed) {
  constexpr std::int64_t kBlock = 1 << 20;
  const auto count = view.elements();
  auto* bytes = static_cast<std::byte*>(view.data);
  const auto size = size_bytes(view.dtype);
  for (std::int64_t n = 0; n < std::min(count, kBlock); ++n) {
    const auto bits = mix_bits(seed + static_cast<std::uint64_t>(n));
    const float uniform = static_cast<float>(bits >> 40) * 0x1p-24F - 0.5F;
    visit(view.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      const T element(3.4F * uniform);
      std::memcpy(bytes + n * size, &element, sizeof element);
    });
  }
  for (auto done = std::min(count, kBlock); done < count;) {
    const auto more = std::min(done, count - done);
    std::memcpy(bytes + done * size, bytes, static_cast<std::size_t>(more * size));
    done += more;
  }
}

struct Inputs {
  std::vector<Buffer> buffers;
  Tensors tensors;
  std::int64_t bytes = 0;

  explicit Inputs(const Problem& problem) {
    for (const auto& spec : roles_of(problem)) {
      if (spec.optional) continue;
      buffers.emplace_back(spec.bytes());
      tensors[spec.role] = dense_view(buffers.back().data(), spec);
      fill(tensors[spec.role], static_cast<std::uint64_t>(spec.role) << 32);
      bytes += spec.bytes();
    }
  }
};

/// Median seconds of a call over the bindings.
double seconds_of(Execution& execution, const std::vector<std::unique_ptr<Binding>>& owned, std::size_t count,
                  Queue& queue) {
  std::vector<Binding*> bindings;
  for (std::size_t n = 0; n < count; ++n) bindings.push_back(owned[n].get());
  const auto once = execution.time(bindings, static_cast<std::int64_t>(count) * 4, queue);
  const double call = once.seconds / static_cast<double>(once.runs);
  const auto runs = static_cast<std::int64_t>(std::ceil(std::clamp(3e-3 / call, 4.0, 2000.0) / 64) * 64);
  std::vector<double> times;
  for (int n = 0; n < 7; ++n) {
    const auto timing = execution.time(bindings, call > 1e-3 ? 4 : runs, queue);
    times.push_back(timing.seconds / static_cast<double>(timing.runs));
  }
  std::nth_element(times.begin(), times.begin() + 3, times.end());
  return times[3];
}

Problem problem_of(const Case& c, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = c.batch;
  s.num_q_heads = c.q_heads;
  s.seqlen_q = c.seqlen_q;
  s.seqlen_kv = c.seqlen_kv;
  s.head_dim_qk = s.head_dim_v = c.head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), c.q_heads, c.kv_heads);
  problem.phase = c.seqlen_q == c.seqlen_kv ? Phase::prefill : Phase::decode;
  validate(problem);
  return problem;
}

void measure(const Case& c, const KernelInfo& kernel, const Device& device, Queue& queue) {
  const auto problem = problem_of(c, DType::bf16);
  const auto label = implementation_name(kernel.kernel(), kernel.engine(), kernel.path());
  if (const auto support = kernel.supports(problem, device); !support) {
    fmt::print("{:<30} {:<14} {}\n", c.name, label, support.reason());
    return;
  }
  const auto free = device.free_bytes();
  if (kernel.workspace_bytes(problem, device) > free / 2) {
    fmt::print("{:<30} {:<14} does not fit\n", c.name, label);
    return;
  }
  const Inputs inputs(problem);
  auto execution = kernel.prepare(problem, device);
  constexpr std::int64_t kRotated = 256 << 20;
  const auto sets = std::clamp<std::int64_t>(kRotated / inputs.bytes + 1, 2, 32);
  std::vector<std::unique_ptr<Binding>> bindings;
  for (std::int64_t n = 0; n < sets; ++n) bindings.push_back(execution->bind(inputs.tensors));
  const double hot = seconds_of(*execution, bindings, 1, queue);
  const double rotated = seconds_of(*execution, bindings, bindings.size(), queue);
  const auto amount = work(problem);
  fmt::print("{:<30} {:<14} {:>9.2f} us hot {:>9.2f} us rotated  {:>6.2f} TB/s {:>7.1f} TFLOP/s (rotated)\n",
             c.name, label, hot * 1e6, rotated * 1e6, amount.compulsory_bytes / rotated * 1e-12,
             amount.useful_flops / rotated * 1e-12);
  std::fflush(stdout);
}

int run(const std::vector<std::string>& arguments) {
  std::string device_name = "cuda:0", wanted, shape;
  for (std::size_t n = 0; n + 1 < arguments.size(); n += 2) {
    if (arguments[n] == "--plugin") load_plugin(arguments[n + 1]);
    if (arguments[n] == "--device") device_name = arguments[n + 1];
    if (arguments[n] == "--kernel") wanted = arguments[n + 1];
    if (arguments[n] == "--shape") shape = arguments[n + 1];
  }
  const auto device = open_device(device_name, cpu_device(1));
  for (const auto& [key, text] : device->identity()) fmt::print("{}: {}\n", key, text);
  const auto ceilings = device->ceilings();
  for (const auto& c : ceilings.bandwidth) {
    fmt::print("{:>5} MiB: read {:.2f} TB/s, copy {:.2f} TB/s\n", c.bytes >> 20,
               c.read_bytes_per_second * 1e-12, c.copy_bytes_per_second * 1e-12);
  }
  for (const auto& c : ceilings.compute)
    fmt::print("{} {}: {:.1f} TFLOP/s\n", c.unit, name(c.dtype), c.flops_per_second * 1e-12);
  const auto queue = device->make_queue();
  for (const auto& c : kCases) {
    if (std::string_view(c.name).find(shape) == std::string_view::npos) continue;
    for (const auto* kernel : kernels()) {
      if (!computes(*kernel, parse_mechanism(c.mechanism).kind)) continue;
      const auto engine = kernel->engine();
      const auto label = implementation_name(kernel->kernel(), engine, kernel->path());
      if (wanted.empty() ? engine != "cuda" && engine != "cudnn" : label != wanted) continue;
      measure(c, *kernel, *device, *queue);
    }
  }
  for (const auto& [key, value] : device->probe()) fmt::print("{}: {}\n", key, value);
  return 0;
}

}  // namespace
}  // namespace attnbench

int main(int argc, char** argv) {
  try {
    return attnbench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_cuda: {}\n", error.what());
    return 2;
  }
}
