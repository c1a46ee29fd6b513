#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "attnbench/tensor.h"
#include "core/buffer.h"

namespace attnbench::reference {

/// Inputs that discriminate. In layer scope the projected q, k and v are what is described.
/// - normal: N(0,1).
/// - rising: scores rise along the keys from 64 to 96, so that a skipped rescale of an online softmax shows,
///   and a missing max-subtraction overflows. Linear mechanisms: later keys weigh more.
/// - large_logits: every score of a row near +120, or every one near -120: exp overflows or vanishes in f32
///   without max-subtraction. Linear mechanisms: elements of q and k near +-120, so that exp overflows where
///   phi is evaluated on both branches.
/// - one_hot: each softmax row has all its weight on one key, often far from the diagonal (on it in layer
///   scope). Linear mechanisms: q and k of +-8 and +-4, phi far from linear.
/// - zero_q: q = 0; a softmax row is the exact mean of the V rows it may see.
/// - extreme: scores of a row are eight levels of one sign, from 2^14 to 2^100, each exact in f32 whatever
/// the
///   order of its sum, and a row is the exact mean of the V rows on the highest level it may see. In core
///   scope a quarter of the keys, and all beyond the keys in use, have V = +-2^100 and scores so far below
///   that no row has weight on them, so that a weight shows which a hidden or a far key should not have.
///   Linear mechanisms: elements of q near 2^20, V as everywhere.
///
/// f16 ends at 65504 and has the same kinds. normal, large_logits and zero_q lie within it. rising and
/// one_hot give q a part of the size that a small scale asks of k (or k of q). extreme has k in units of 2^12
/// and q up to 65280: scores from 2^14 to 2^33 for the usual scales, where neighbouring f32 are up to 2^9
/// apart, so that a rounded maximum is off by more than the range of exp; V of far keys is +-2^15, which
/// shows a weight of 2^-21 and more; q of linear mechanisms is near 2^16.
enum class InputKind : std::uint8_t { normal, rising, large_logits, one_hot, zero_q, extreme };
std::string_view name(InputKind kind);
const std::vector<InputKind>& all_input_kinds();

/// Tensors and the memory they live in.
struct ProblemData {
  std::vector<Buffer> buffers;
  Tensors tensors;
};

/// Values in the problem's element types, dense in its layout, from a seed (the same on every machine).
/// with_lse adds the log-sum-exp output, where the problem has one. Outputs are poisoned.
ProblemData make_data(const Problem& problem, InputKind kind, std::uint64_t seed, bool with_lse);
/// Writes the same values into views with any strides; each must have the problem's sizes, k and v perhaps
/// fewer keys.
void fill_inputs(const Problem& problem, InputKind kind, std::uint64_t seed, const Tensors& tensors);
/// Fills the outputs given with NaN.
void poison_outputs(const Problem& problem, const Tensors& tensors);

}  // namespace attnbench::reference
