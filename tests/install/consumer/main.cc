// Every kernel of the installed library on one small problem, worked out by hand: queries of zeros weigh all
// keys the same, so that each output is the mean of the values.
#include <cmath>
#include <cstdio>
#include <vector>

#include "attnbench/registry.h"

int main() {
  using namespace attnbench;
  constexpr std::int64_t kHeads = 2, kKeys = 4, kDim = 16;
  Problem problem;
  problem.mechanism = bind_kv_heads(parse_mechanism("mha"), kHeads, 0);
  auto& shape = problem.shape;
  shape.num_q_heads = kHeads;
  shape.seqlen_q = shape.seqlen_kv = kKeys;
  shape.head_dim_qk = shape.head_dim_v = kDim;
  shape.softmax_scale = 0.25;
  validate(problem);

  std::vector<float> q(kHeads * kKeys * kDim, 0.0f), k(q.size(), 1.0f), v(q.size()), o(q.size());
  // Key j of head h holds j + 10 h: the mean over the four keys is 1.5 + 10 h.
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>((i / kDim) % kKeys) + 10.0f * static_cast<float>(i / (kDim * kKeys));
  const auto view = [&](std::vector<float>& data) {
    return dense_view(data.data(), DType::f32, Layout::bhsd, 1, kHeads, kKeys, kDim);
  };
  Tensors tensors;
  tensors[Role::q] = view(q);
  tensors[Role::k] = view(k);
  tensors[Role::v] = view(v);
  tensors[Role::o] = view(o);
  check_tensors(problem, tensors);

  const auto device = cpu_device(1);
  const auto queue = device.make_queue();
  int ran = 0, wrong = 0;
  for (const auto* kernel : kernels()) {
    if (!computes(*kernel, MechanismKind::mha) || !kernel->supports(problem, device)) continue;
    for (auto& value : o) value = NAN;
    run_once(*kernel->prepare(problem, device), problem, tensors, *queue);
    ++ran;
    bool right = true;
    for (std::size_t i = 0; i < o.size(); ++i) {
      const auto head = static_cast<float>(i / (kDim * kKeys));
      right = right && std::fabs(o[i] - (1.5f + 10 * head)) < 1e-4f;
    }
    wrong += !right;
    std::printf("%s: %s\n", kernel_id(problem.mechanism, *kernel).c_str(), right ? "right" : "WRONG");
  }
  if (ran == 0) std::printf("no kernel computes mha here\n");
  return ran == 0 || wrong > 0 ? 1 : 0;
}
