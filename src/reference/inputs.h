#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "attnbench/tensor.h"
#include "core/buffer.h"

namespace attnbench::reference {

/// Inputs that discriminate. normal: N(0,1). rising: scores whose row maximum rises along the keys, so a
/// skipped rescale shows. large_logits: scores beyond 89, where exp overflows f32 without max-subtraction.
/// one_hot: each softmax row has all its weight on one key. zero_q: q = 0, the output is the mean of the
/// allowed V rows.
enum class InputKind : std::uint8_t { normal, rising, large_logits, one_hot, zero_q };
std::string_view name(InputKind kind);
const std::vector<InputKind>& all_input_kinds();

/// Tensors and the memory they live in. Outputs are poisoned with NaN.
struct ProblemData {
  std::vector<Buffer> buffers;
  Tensors tensors;
};

/// Values in the problem's element types, dense in its layout, from a seed (the same on every machine).
/// with_lse adds the log-sum-exp output (core scope, softmax mechanisms only).
ProblemData make_data(const Problem& problem, InputKind kind, std::uint64_t seed, bool with_lse);
/// Fills o (and lse) with NaN.
void poison_outputs(const Problem& problem, Tensors& tensors);

}  // namespace attnbench::reference
