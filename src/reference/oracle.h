#pragma once

#include <vector>

#include "reference/rows.h"

namespace attnbench::reference {

/// Attention by its definition in float64: plain loops over the definition, no tiling, no mask ranges shared
/// with any kernel. Reads inputs in their element type. A row that may see no key is zeros with lse = -inf;
/// NaN in an input gives NaN. Linear mechanisms sum once a kv head (causal_linear carries the sums along the
/// keys); layer scope projects K and V once a kv head. Rows (of linear mechanisms, kv heads) of large
/// problems are computed on all CPUs that
/// the program started with; each is summed in one order, so that results depend on no thread count.
RowResults oracle(const Problem& problem, const Tensors& inputs, std::span<const Row> rows);

/// The same loops as an ordinary implementation in the element type would compute them: scores, softmax and
/// all sums in f32, P (or phi) rounded to the element type before the product with V, output rounded; in
/// layer scope the projections' f32 results rounded too. Sums go from the first column and key on.
RowResults plain_form(const Problem& problem, const Tensors& inputs, std::span<const Row> rows);

/// The plain form as its error against the oracle sets the tolerance, the largest of these. Of few rows one
/// order of summation may err so little by chance that the other would be called wrong: of fewer than 64 rows
/// of a softmax mechanism the second sums scores and keys from the last column and key on.
std::vector<RowResults> plain_forms(const Problem& problem, const Tensors& inputs, std::span<const Row> rows);

}  // namespace attnbench::reference
