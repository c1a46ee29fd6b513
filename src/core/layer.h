#pragma once

#include "attnbench/problem.h"

/// Layer scope: X (batch, 1, seqlen, d_model) -> Q, K, V = X Wq, X Wk, X Wv -> attention -> merged heads Wo.
/// No bias; every product accumulates in f32 and is rounded to the element type.
namespace attnbench {

/// What the core kernel inside a layer computes: the same mechanism on projected tensors in layout bshd,
/// which a product over all heads leaves.
Problem core_problem(const Problem& layer);

/// Of the four projections.
double projection_flops(const Problem& layer);

}  // namespace attnbench
