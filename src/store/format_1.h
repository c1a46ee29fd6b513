#pragma once

#include "store/records.h"

namespace attnbench {

/// Stores of format 1 and exports of version 1 do not hold what their run decided of a cell's kernels
/// (core/decisions.h). It follows from what they do hold:
/// - form: form_of() the kernel's name.
/// - is_default_path: of the paths of one kernel that the cell supports, the one that preferred_path() takes
/// by the
///   ceilings that the run measured with the cell's threads; without them all rates are 0, so that the most
///   specialised path comes first. A kernel none of whose paths is supported keeps them all.
void decide_as_format_1(const RunRecord& run, CellRecord& cell);

}  // namespace attnbench
