#include "core/layer.h"

namespace attnbench {

Problem core_problem(const Problem& layer) {
  auto core = layer;
  core.scope = Scope::core;
  core.shape.layout = Layout::bshd;
  core.shape.d_model = 0;
  return core;
}

double projection_flops(const Problem& layer) {
  const auto& s = layer.shape;
  const auto widths = (s.num_q_heads + layer.mechanism.num_kv_heads) * (s.head_dim_qk + s.head_dim_v);
  return 2.0 * static_cast<double>(s.batch * s.seqlen_q) * static_cast<double>(s.d_model * widths);
}

}  // namespace attnbench
