#pragma once

#include <optional>
#include <string>
#include <vector>

#include "timed.h"

namespace bench {

enum class Against { compute_ceiling, read_ceiling, kernel };

/// One line of a table: a kernel against a ceiling, or against another kernel.
struct Row {
  Entry subject;
  Against against = Against::compute_ceiling;
  Entry reference = {};  ///< where `against` is a kernel
  /// The least share or speed ratio aimed at, on CPUs with AMX and on others; 0: none.
  double target_amx = 0;
  double target_other = 0;
};

struct Table {
  std::string title;
  std::string note;
  std::vector<Row> rows;
};

/// All tables, in the order of docs/performance.md. `threads`: of the rows that use more than one.
std::vector<Table> tables(int threads);

}  // namespace bench
