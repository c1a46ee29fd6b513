// Attention of 8 query heads over 2 heads of K and V, with the kernel that suits this machine.
#include <attnbench/cpu_device.h>
#include <attnbench/dispatch.h>

#include <cstdio>
#include <vector>

int main() {
  using namespace attnbench;
  const Problem problem = {
      .shape = {.num_q_heads = 8, .seqlen_q = 128, .seqlen_kv = 128, .softmax_scale = 0.125},
      .mechanism = {.kind = MechanismKind::gqa, .num_kv_heads = 2, .causal_bottom_right = true}};
  std::vector<float> q(8 * 128 * 64, 1.0F), k(2 * 128 * 64, 1.0F), v(k.size(), 0.5F), o(q.size());
  Tensors tensors;
  tensors[Role::q] = dense_view(q.data(), DType::f32, Layout::bhsd, 1, 8, 128, 64);
  tensors[Role::k] = dense_view(k.data(), DType::f32, Layout::bhsd, 1, 2, 128, 64);
  tensors[Role::v] = dense_view(v.data(), DType::f32, Layout::bhsd, 1, 2, 128, 64);
  tensors[Role::o] = dense_view(o.data(), DType::f32, Layout::bhsd, 1, 8, 128, 64);

  const auto device = cpu_device(0);
  const Dispatcher dispatcher(device);
  Attention attention(dispatcher, problem);  // chosen and prepared once
  attention.bind(tensors);                   // bound once
  attention.run();                           // run many times
  std::printf("%s\n%g\n", in_words(attention.decision()).c_str(), static_cast<double>(o.back()));
}
