#include "reference/mask.h"

namespace attnbench::reference {

bool may_see(const Mechanism& mechanism, std::int64_t position, std::int64_t key) {
  if (position < 0) return false;
  if (mechanism.is_causal() && key > position) return false;
  switch (mechanism.kind) {
    case MechanismKind::mha:
    case MechanismKind::gqa:
    case MechanismKind::mqa:
    case MechanismKind::linear:
    case MechanismKind::causal_linear:
      return true;
    case MechanismKind::swa:
      if (mechanism.causal_bottom_right) return position - key < mechanism.window;
      return position - key <= mechanism.window / 2 && key - position <= mechanism.window / 2;
    case MechanismKind::block_sparse:
      return position / mechanism.block_size == key / mechanism.block_size || key < mechanism.globals ||
             position < mechanism.globals;
  }
  return false;
}

std::int64_t keys_in_use(const Problem& problem, const Tensors& tensors, std::int64_t batch) {
  const auto& lengths = problem.shape.seqlens_kv;
  if (!lengths.empty()) return lengths[static_cast<std::size_t>(batch)];
  return problem.scope == Scope::core ? tensors[Role::k].sizes[2] : problem.shape.seqlen_kv;
}

}  // namespace attnbench::reference
