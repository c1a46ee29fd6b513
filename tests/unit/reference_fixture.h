#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"
#include "reference/inputs.h"
#include "reference/oracle.h"

namespace attnbench::reference {

/// A core problem of the given mechanism; scale 1 / sqrt(head_dim).
inline Problem small_problem(std::string_view mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv,
                             std::int64_t heads = 1, std::int64_t kv_heads = 0, std::int64_t head_dim = 8,
                             std::int64_t batch = 1, DType dtype = DType::f32) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = batch;
  s.num_q_heads = heads;
  s.seqlen_q = seqlen_q;
  s.seqlen_kv = seqlen_kv;
  s.head_dim_qk = s.head_dim_v = head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(head_dim));
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, kv_heads);
  problem.phase = seqlen_q == seqlen_kv ? Phase::prefill : Phase::decode;
  return problem;
}

inline std::vector<Row> all_rows(const Problem& problem) { return sample_rows(problem, 1 << 20); }

/// Memory of one f32 tensor, values given in (batch, head, position, element) order.
struct Values {
  std::vector<float> memory;
  TensorView view;
  Values(std::int64_t batch, std::int64_t heads, std::int64_t sequence, std::int64_t width,
         std::vector<float> values)
      : memory(std::move(values)),
        view(dense_view(memory.data(), DType::f32, Layout::bhsd, batch, heads, sequence, width)) {}
};

}  // namespace attnbench::reference
