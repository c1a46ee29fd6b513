#pragma once

#include "reference/rows.h"

namespace attnbench::reference {

/// Attention by its definition in float64: plain loops over the definition, no tiling, no mask
/// ranges shared with any kernel. Reads inputs in their element type.
RowResults oracle(const Problem& problem, const Tensors& inputs, std::span<const Row> rows);

/// The same loops as an ordinary implementation in the element type would compute them: scores, softmax and
/// all sums in f32, P (or phi) rounded to the element type before the product with V, output rounded. Its
/// error against the oracle sets the tolerance.
RowResults plain_form(const Problem& problem, const Tensors& inputs, std::span<const Row> rows);

}  // namespace attnbench::reference
