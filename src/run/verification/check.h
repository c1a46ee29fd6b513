#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnbench/kernel.h"
#include "reference/oracle.h"

namespace attnbench {

/// What one output of a case must be, on the expected rows, and how far off it may be.
struct ExpectedOutput {
  Role role = Role::o;
  std::vector<double> exact;  ///< rows x width
  double plain_error = 0;     ///< max |plain form - exact|, of all plain forms
  bool operator==(const ExpectedOutput&) const = default;
};

/// What one case must give, every output of its problem.
struct Expected {
  std::vector<reference::Row> rows;
  std::vector<ExpectedOutput> outputs;
  bool operator==(const Expected&) const = default;
};

/// Runs the oracle and the plain forms over the rows.
Expected expect(const Problem& problem, const Tensors& inputs, std::vector<reference::Row> rows);

/// What is asked of a kernel's outputs.
struct Demand {
  double tolerances = 1;  ///< a larger error is a failure
  std::string function;   ///< computed in place of the mechanism: no error is a failure; empty: the mechanism
};
/// Of a kernel made here errors within the tolerance, of another maker's within ten of them.
Demand demand_on(const KernelInfo& kernel, const Problem& problem);

/// The verdict on one call.
struct CaseResult {
  bool passed = false;
  /// Of a failure: the row, what was expected and what came. Of a kernel that passed: empty, or why it is not
  /// to be ranked, "less exact: o off by 1e-05, allowed 2e-06 (5 times)" or "computes another function: ..".
  std::string reason;
  double max_error = 0;
  double plain_error = 0;
  double tolerance = 0;
  double share = 0;  ///< largest error / tolerance of an output
};

/// Judges what a kernel left in the outputs given: every element of every row finite (lse = -inf where no key
/// may be seen), and |output - exact| <= 2 plain_error + 4 ulp max|output| on the expected rows, ulp of the
/// output's element type and the maximum over those rows; of lse, a logarithm, it is at least 1. What exceeds
/// that passes where the demand lets it, with its reason. Errors and tolerance of the result are those of the
/// first output.
CaseResult check_output(const Problem& problem, const Tensors& tensors, const Expected& expected,
                        const Demand& demand = {});

/// check_output() with the results of the oracle and the plain forms.
CaseResult compare_rows(const Problem& problem, const Tensors& tensors,
                        const std::vector<reference::Row>& rows, const reference::RowResults& exact,
                        const std::vector<reference::RowResults>& plain, const Demand& demand = {});

/// The first output as it is on the expected rows, rows x width.
std::vector<double> first_output(const Tensors& tensors, const Expected& expected);

/// The tensors without those that the kernel does not write.
Tensors tensors_of(const KernelInfo& kernel, const Tensors& tensors);

/// Changes when any element of an input does.
std::uint64_t hash_inputs(const Problem& problem, const Tensors& tensors);

/// Prepares the kernel, poisons the outputs with NaN, makes one call and judges it by demand_on() it; also
/// fails a kernel that changed its inputs, one that reports a time it cannot have taken, and one in whose
/// place other code ran. Exceptions of the kernel pass through. Pre: supports() said yes.
CaseResult check_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                        const Tensors& tensors, const Expected& expected);

}  // namespace attnbench
