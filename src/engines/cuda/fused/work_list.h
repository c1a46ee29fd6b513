#pragma once

#include <cstdint>
#include <vector>

#include "attnbench/problem.h"
#include "engines/cuda/anywhere.h"

namespace attnbench::cuda {

/// Keys are read in tiles of so many.
inline constexpr std::int32_t kTileKeys = 64;

/// The same where rows are many (softmax_wide.h), and those of a thread block.
inline constexpr std::int32_t kWideTileKeys = 128;
inline constexpr std::int32_t kWideRows = 128;

/// What a thread block does for one kv head: rows of packed queries against two ranges of keys, of which the
/// first holds global keys. Row r of a kv head is query r / group of its query head r % group.
struct WorkItem {
  std::int32_t batch = 0;
  /// Of the unit: rows of a batch entry that are computed together.
  std::int32_t first_row = 0, end_row = 0;
  std::int32_t keys = 0;  ///< of the batch entry
  std::int32_t global_begin = 0, global_end = 0;
  std::int32_t begin = 0, end = 0;
  /// Keys of [begin, end) that every row of the unit sees: tiles within need no mask.
  std::int32_t full_begin = 0, full_end = 0;
  /// The unit's keys are split in `parts`; results of part p are kept in place first_part + p, for each kv
  /// head.
  std::int32_t part = 0, parts = 1, first_part = 0;
  std::int32_t tile_keys = kTileKeys;

  ATTNBENCH_ANYWHERE std::int32_t global_tiles() const {
    return (global_end - global_begin + tile_keys - 1) / tile_keys;
  }
  ATTNBENCH_ANYWHERE std::int32_t tiles() const {
    return global_tiles() + (end - begin + tile_keys - 1) / tile_keys;
  }
};

/// Who computes what, for all kv heads alike.
struct WorkList {
  std::vector<WorkItem> items;
  std::int32_t units = 0;
  std::int32_t parts = 0;  ///< of the units that are split, in all
};

/// The largest number of parts of a unit.
inline constexpr std::int32_t kMostParts = 128;

/// What thread blocks a work list is for.
struct Blocks {
  std::int32_t rows = 64;  ///< of a unit
  std::int32_t slots = 1;  ///< blocks that run at once
  std::int32_t least_tiles =
      1;  ///< of a part of a whole unit: merging costs as much; fewer where rows are fewer
  std::int32_t tile_keys = kTileKeys;
  bool split = true;    ///< whether units may have several parts
  bool by_key = false;  ///< items in order of their first key, not the longest first
};

/// Queries that see every key while others see a block are units of their own, in as many parts as their few
/// rows are cheap to merge. Keys of a unit are split so that blocks have even work. `keys` of a call, where
/// shape.seqlens_kv does not say it.
WorkList make_work_list(const Problem& problem, std::int64_t keys, const Blocks& blocks);

}  // namespace attnbench::cuda
