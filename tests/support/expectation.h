#pragma once

#include <vector>

#include "reference/oracle.h"

namespace attnbench::testing_support {

/// What the oracle and the plain forms give for some rows.
struct Expectation {
  reference::RowResults exact;
  std::vector<reference::RowResults> plain;
};

/// Computed once a process for a problem, the values of its inputs and the rows: what a test of several
/// paths, numbers of threads or outputs asks for again. Not for threads that test at the same time.
const Expectation& expectation(const Problem& problem, const Tensors& inputs,
                               const std::vector<reference::Row>& rows);

}  // namespace attnbench::testing_support
