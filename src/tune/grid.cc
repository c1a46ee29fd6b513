#include "tune/grid.h"

#include <cmath>

#include "attnbench/error.h"

namespace attnbench {
namespace {

struct Heads {
  std::int64_t heads, head_dim;
};

Problem problem_of(const Mechanism& mechanism, DType dtype, std::int64_t batch, Heads of,
                   std::int64_t kv_heads, std::int64_t seqlen_q, std::int64_t seqlen_kv) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = batch;
  s.num_q_heads = of.heads;
  s.seqlen_q = seqlen_q;
  s.seqlen_kv = seqlen_kv;
  s.head_dim_qk = s.head_dim_v = of.head_dim;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(of.head_dim));
  problem.mechanism = mechanism;
  if (mechanism.kind == MechanismKind::mha && kv_heads != of.heads)
    problem.mechanism.kind = MechanismKind::gqa;
  problem.mechanism.num_kv_heads = problem.mechanism.kind == MechanismKind::gqa ? kv_heads : 0;
  problem.mechanism = bind_kv_heads(problem.mechanism, of.heads, kv_heads);
  problem.phase = seqlen_q == seqlen_kv ? Phase::prefill : Phase::decode;
  return problem;
}

}  // namespace

std::vector<GridProblem> tune_grid(const std::vector<Mechanism>& mechanisms,
                                   const std::vector<DType>& dtypes) {
  std::vector<GridProblem> grid;
  for (const auto& mechanism : mechanisms) {
    for (const auto dtype : dtypes) {
      for (const auto of : {Heads{8, 64}, Heads{32, 128}}) {
        for (const std::int64_t group : {1, 4, 8}) {
          if (group > 1 && mechanism.kind != MechanismKind::mha) continue;
          const auto add = [&](std::int64_t batch, std::int64_t seqlen_q, std::int64_t seqlen_kv,
                               bool coarse) {
            auto problem = problem_of(mechanism, dtype, batch, of, of.heads / group, seqlen_q, seqlen_kv);
            try {
              validate(problem);
            } catch (const InputError&) {
              return;
            }
            grid.push_back({problem, coarse && batch == 1 && group == 1});
          };
          for (const std::int64_t batch : {1, 4, 16}) {
            int step = 0;
            for (std::int64_t n = 1; n <= 16384; n *= 2) add(batch, n, n, step++ % 3 == 0);
            if (!mechanism.is_softmax()) continue;
            step = 0;
            for (std::int64_t keys = 128; keys <= 65536; keys *= 2, ++step) {
              for (const std::int64_t queries : {1, 2, 4, 8, 16})
                add(batch, queries, keys, step % 3 == 0 && queries == 1);
            }
          }
        }
      }
    }
  }
  return grid;
}

std::vector<Problem> verification_problems(const Mechanism& mechanism, DType dtype) {
  const bool grouped = mechanism.kind == MechanismKind::mha;
  std::vector<Problem> problems = {problem_of(mechanism, dtype, 2, {4, 64}, grouped ? 2 : 4, 101, 101)};
  if (mechanism.is_softmax())
    problems.push_back(problem_of(mechanism, dtype, 3, {4, 128}, grouped ? 1 : 4, 3, 259));
  else
    problems.push_back(problem_of(mechanism, dtype, 1, {4, 128}, 4, 37, 37));
  if (grouped) {  // for kernels that compute nothing else
    problems.push_back(problem_of(mechanism, dtype, 2, {4, 64}, 4, 101, 101));
    problems.push_back(problem_of(mechanism, dtype, 3, {4, 128}, 4, 3, 259));
  }
  return problems;
}

}  // namespace attnbench
