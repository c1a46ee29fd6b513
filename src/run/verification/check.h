#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnbench/kernel.h"
#include "reference/oracle.h"

namespace attnbench {

/// What one case must give, and how far off it may be.
struct Expected {
  std::vector<reference::Row> rows;
  reference::RowResults exact;
  double plain_error = 0;      ///< max |plain form - exact| over the rows' o
  double plain_lse_error = 0;  ///< the same of lse
};

/// Runs the oracle and the plain form over the rows.
Expected expect(const Problem& problem, const Tensors& inputs, std::vector<reference::Row> rows);

/// The verdict on one call.
struct CaseResult {
  bool passed = false;
  std::string reason;  ///< of a failure: the row, what was expected and what came
  double max_error = 0;
  double plain_error = 0;
  double tolerance = 0;
};

/// Judges what a kernel left in o, and in lse where given: every element of every row finite (lse = -inf
/// where no key may be seen), and |o - exact| <= 2 plain_error + 4 ulp max|o| on the expected rows, ulp of
/// o's element type and max|o| over those rows. lse, a logarithm, is held to 2 plain_lse_error + 4 ulp(f32)
/// max(1, |lse|).
CaseResult check_output(const Problem& problem, const Tensors& tensors, const Expected& expected);

/// check_output() with the results of the oracle and the plain form.
CaseResult compare_rows(const Problem& problem, const Tensors& tensors,
                        const std::vector<reference::Row>& rows, const reference::RowResults& exact,
                        const reference::RowResults& plain);

/// Changes when any element of q, k, v, x or a weight does.
std::uint64_t hash_inputs(const Tensors& tensors);

/// Prepares the kernel, poisons the outputs with NaN, makes one call and judges it; also fails a kernel that
/// changed its inputs. Exceptions of the kernel pass through. Pre: supports() said yes.
CaseResult check_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                        Tensors tensors, const Expected& expected);

}  // namespace attnbench
