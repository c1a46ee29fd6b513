#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/problem.h"
#include "dispatch/profile.h"

namespace attnbench::test {

/// Core scope, D = 64, one element type, 8 query heads unless said otherwise.
inline Problem attention_problem(const std::string& mechanism, std::int64_t seqlen, DType dtype = DType::f32,
                                 std::int64_t heads = 8) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = heads;
  s.seqlen_q = s.seqlen_kv = seqlen;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 0.125;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, 0);
  return problem;
}

/// A device of so many threads; none are started.
inline CpuDevice device_of(int threads) {
  CpuDevice device;
  device.threads = threads;
  return device;
}

/// Of this machine and build: the kernel passed for problems like this one.
inline void verify_in(CostProfile& profile, const std::string& kernel, const Problem& problem,
                      bool deterministic = true) {
  profile.verified.push_back({kernel, kind_of(problem), deterministic});
}

/// Times seconds(N) at N = 64 to 4096, with so large an error each.
inline void measure_in(CostProfile& profile, const std::string& kernel, const std::string& mechanism,
                       int threads, const std::function<double(double)>& seconds, double log_error = 0.002) {
  for (std::int64_t n = 64; n <= 4096; n *= 2) {
    MeasuredCost cost;
    cost.kernel = kernel;
    cost.problem = attention_problem(mechanism, n);
    cost.threads = threads;
    cost.seconds = seconds(static_cast<double>(n));
    cost.log_error = log_error;
    cost.processes = 3;
    profile.costs.push_back(cost);
  }
}

}  // namespace attnbench::test
