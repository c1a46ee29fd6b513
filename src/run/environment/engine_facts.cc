#include "run/environment/engine_facts.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/registry.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// A small problem of the element type, of a mechanism without parameters that the kernel computes.
std::optional<Problem> problem_for(const KernelInfo& kernel, DType dtype) {
  for (const auto kind : {MechanismKind::mha, MechanismKind::linear, MechanismKind::causal_linear}) {
    if (!computes(kernel, kind)) continue;
    Problem problem;
    auto& shape = problem.shape;
    shape.num_q_heads = 1;
    shape.seqlen_q = shape.seqlen_kv = 128;
    shape.dtype_q = shape.dtype_kv = shape.dtype_o = dtype;
    shape.softmax_scale = 0.125;
    problem.mechanism.kind = kind;
    problem.mechanism = bind_kv_heads(problem.mechanism, shape.num_q_heads, 0);
    return problem;
  }
  return std::nullopt;
}

}  // namespace

json engine_facts(const CpuDevice& device) {
  std::map<std::string, int> counts;
  for (const auto* kernel : kernels()) ++counts[std::string(kernel->engine())];
  auto paths = json::object();
  for (const auto dtype : {DType::f32, DType::bf16, DType::f16}) {
    std::vector<std::string> usable;
    for (const auto* kernel : kernels()) {
      const std::string path(kernel->path());
      if (path.empty() || std::find(usable.begin(), usable.end(), path) != usable.end()) continue;
      const auto problem = problem_for(*kernel, dtype);
      if (problem && kernel->supports(*problem, device)) usable.push_back(path);
    }
    paths[std::string(name(dtype))] = usable;
  }
  auto missing = json::array();
  for (const auto& engine : missing_engines())
    missing.push_back({{"engine", engine.name}, {"reason", engine.reason}});
  return {{"kernels", counts},
          {"paths", paths},
          {"devices", device_names()},
          {"missing_devices", missing_devices()},
          {"missing_engines", missing}};
}

}  // namespace attnbench
