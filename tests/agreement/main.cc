// Do two builds compute the same? `kernel_outputs write FILE` stores outputs of every fused kernel on fixed
// inputs; `kernel_outputs compare FILE`, of a program built by another compiler, computes them again and
// prints by how many units in the last place of the largest output they differ. Exit code 1 beyond kBound:
// compilers may contract and order f32 sums differently, by less than what verification grants a kernel.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "reference/inputs.h"
#include "support/elements.h"

namespace {

using namespace attnbench;
using Outputs = std::map<std::string, std::vector<float>>;

constexpr double kBound = 4;

struct Case {
  const char* mechanism;
  std::int64_t q_heads, kv_heads, seqlen_q, seqlen_kv, head_dim;
};
constexpr Case kCases[] = {
    {"mha", 2, 0, 129, 129, 64},
    {"mha(causal)", 2, 0, 257, 257, 80},
    {"gqa(kv=2)", 8, 2, 1, 1111, 128},
    {"swa(w=64)", 2, 0, 300, 300, 64},
    {"block_sparse(bs=32,globals=1)", 2, 0, 300, 300, 64},
    {"linear", 2, 0, 200, 200, 64},
    {"causal_linear", 2, 0, 200, 200, 64},
};

Problem problem_of(const Case& c, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = c.q_heads;
  s.seqlen_q = c.seqlen_q;
  s.seqlen_kv = c.seqlen_kv;
  s.head_dim_qk = s.head_dim_v = c.head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  problem.phase = c.seqlen_q == c.seqlen_kv ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), c.q_heads, c.kv_heads);
  return problem;
}

std::vector<float> values(const Tensors& tensors, const Shape& shape) {
  std::vector<float> all;
  for (std::int64_t h = 0; h < shape.num_q_heads; ++h) {
    for (std::int64_t i = 0; i < shape.seqlen_q; i += 7) {
      for (std::int64_t d = 0; d < shape.head_dim_v; ++d)
        all.push_back(get_element(tensors[Role::o], 0, h, i, d));
    }
  }
  return all;
}

Outputs compute() {
  Outputs outputs;
  const auto device = cpu_device(1);
  for (const auto dtype : kDTypes) {
    for (const auto& c : kCases) {
      const auto problem = problem_of(c, dtype);
      for (const auto input : {reference::InputKind::normal, reference::InputKind::rising}) {
        for (const auto* kernel : kernels()) {
          const auto form = kernel->kernel();
          if ((form != "fused" && form != "chunked") || !kernel->supports(problem, device)) continue;
          const auto data = reference::make_data(problem, input, 1, false);
          run_once(*kernel->prepare(problem, device), problem, data.tensors, *device.make_queue());
          const auto key = fmt::format("{} {} {}", kernel_id(problem.mechanism, *kernel), name(dtype),
                                       reference::name(input));
          outputs[key] = values(data.tensors, problem.shape);
        }
      }
    }
  }
  return outputs;
}

int compare(const Outputs& ours, const Outputs& theirs) {
  if (ours.size() != theirs.size()) {
    fmt::print("the builds have different kernels: {} and {} outputs\n", ours.size(), theirs.size());
    return 1;
  }
  double worst = 0;
  int equal = 0;
  for (const auto& [key, a] : ours) {
    const auto& b = theirs.at(key);
    const auto words = key.substr(0, key.rfind(' '));
    const auto dtype = parse_dtype(words.substr(words.rfind(' ') + 1));
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(b[i])));
      difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    }
    const double units = difference / (unit_in_last_place(dtype) * largest);
    worst = std::max(worst, units);
    if (units == 0)
      ++equal;
    else
      fmt::print("{:<60} {:.2g} units in the last place\n", key, units);
  }
  fmt::print("{} of {} outputs equal bit for bit, the others within {:.2g} of {} units in the last place\n",
             equal, ours.size(), worst, kBound);
  return worst <= kBound ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string task = argc == 3 ? argv[1] : "";
  if (task == "write") {
    std::ofstream(argv[2]) << nlohmann::json(compute());
    return 0;
  }
  if (task == "compare") {
    std::ifstream file(argv[2]);
    return compare(compute(), nlohmann::json::parse(file).get<Outputs>());
  }
  fmt::print(stderr, "usage: kernel_outputs write FILE | compare FILE\n");
  return 2;
}
