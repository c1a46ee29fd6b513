#pragma once

#include "engines/cuda/fused/work_list.h"
#include "engines/cuda/mask.h"

namespace attnbench::cuda {

/// Of an item's keys, those that a row sees: [0, globals) of the first range, [begin, end) of the second.
ATTNBENCH_ANYWHERE inline Seen seen_of_item(const WorkItem& item, const Mask& mask, std::int32_t queries,
                                            std::int32_t group, std::int32_t row) {
  if (row < item.first_row || row >= item.end_row) return {};
  auto seen = mask.seen(row / group + item.keys - queries, item.keys);
  if (seen.globals > item.global_end) seen.globals = item.global_end;
  if (seen.begin < item.begin) seen.begin = item.begin;
  if (seen.end > item.end) seen.end = item.end;
  return seen;
}

/// The same of rows together: what any of them sees lies within [0, any_globals) and [any_begin, any_end);
/// all of them see [all_begin, all_end).
struct SeenRows {
  std::int32_t any_globals = 0, any_begin = 0, any_end = 0, all_begin = 0, all_end = 0;

  /// Whether a row may see one of `keys` keys from `first` on, which lie in the item's first range or its
  /// second.
  ATTNBENCH_ANYWHERE bool any(bool global, std::int32_t first, std::int32_t keys) const {
    return global ? first < any_globals : first < any_end && first + keys > any_begin;
  }
  /// Whether all rows see all of them.
  ATTNBENCH_ANYWHERE bool all(bool global, std::int32_t first, std::int32_t keys) const {
    return !global && first >= all_begin && first + keys <= all_end;
  }
};

/// Of rows [first_row, last_row] that the item has. Where positions grow, what is seen begins and ends no
/// earlier: work lists keep global queries apart.
ATTNBENCH_ANYWHERE inline SeenRows seen_by_rows(const WorkItem& item, const Mask& mask, std::int32_t queries,
                                                std::int32_t group, std::int32_t first_row,
                                                std::int32_t last_row) {
  if (first_row < item.first_row) first_row = item.first_row;
  if (last_row >= item.end_row) last_row = item.end_row - 1;
  if (first_row > last_row) return {};
  const auto low = seen_of_item(item, mask, queries, group, first_row);
  const auto high = seen_of_item(item, mask, queries, group, last_row);
  return {low.globals > high.globals ? low.globals : high.globals,
          low.begin < high.begin ? low.begin : high.begin, low.end > high.end ? low.end : high.end,
          low.begin > high.begin ? low.begin : high.begin, low.end < high.end ? low.end : high.end};
}

}  // namespace attnbench::cuda
