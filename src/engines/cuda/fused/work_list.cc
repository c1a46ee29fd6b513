#include "engines/cuda/fused/work_list.h"

#include <algorithm>

#include "engines/cuda/mask.h"

namespace attnbench::cuda {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// What the rows of a unit see together, and which keys all of them see.
void cover(WorkItem& unit, const Mask& mask, std::int32_t first_position, std::int32_t last_position) {
  if (last_position < 0) return;
  std::int32_t globals = 0, full_begin = 0, full_end = unit.keys;
  unit.begin = unit.keys;
  for (auto position = std::max(first_position, 0); position <= last_position; ++position) {
    const auto seen = mask.seen(position, unit.keys);
    globals = std::max(globals, seen.globals);
    if (seen.begin < seen.end) {
      unit.begin = std::min(unit.begin, seen.begin);
      unit.end = std::max(unit.end, seen.end);
    }
    full_begin = std::max(full_begin, seen.begin);
    full_end = std::min(full_end, seen.end);
  }
  if (unit.begin >= unit.end) unit.begin = unit.end = 0;
  unit.global_end = unit.begin < unit.end ? std::min(globals, unit.begin) : globals;
  if (first_position >= 0 && full_begin < full_end) {
    unit.full_begin = full_begin;
    unit.full_end = full_end;
  }
}

/// Tiles [first, last) of a unit.
WorkItem part_of(const WorkItem& unit, std::int32_t first, std::int32_t last) {
  auto item = unit;
  const auto globals = unit.global_tiles();
  item.global_begin = std::min(unit.global_begin + first * unit.tile_keys, unit.global_end);
  item.global_end = std::min(unit.global_begin + last * unit.tile_keys, unit.global_end);
  item.begin = std::min(unit.begin + std::max(first - globals, 0) * unit.tile_keys, unit.end);
  item.end = std::min(unit.begin + std::max(last - globals, 0) * unit.tile_keys, unit.end);
  return item;
}

/// The largest number of tiles of a part.
std::int64_t longest_part(const std::vector<WorkItem>& units, std::int64_t kv_heads, const Blocks& blocks) {
  std::int64_t total = 0, longest = 1;
  for (const auto& unit : units) {
    total += unit.tiles() * kv_heads;
    longest = std::max<std::int64_t>(longest, unit.tiles());
  }
  const auto all = static_cast<std::int64_t>(units.size()) * kv_heads;
  if (all >= blocks.slots) {
    // Units of like length stay whole: 256 of 8192 keys each on 132 slots took 268 us in parts, 249 whole
    // (H200).
    return std::max(ceil_div(total, 8 * std::int64_t{blocks.slots}), 2 * ceil_div(total, all));
  }
  // One round: the shortest parts with which no more blocks than slots are needed.
  std::int64_t low = 1, high = longest;
  while (low < high) {
    const auto middle = (low + high) / 2;
    std::int64_t count = 0;
    for (const auto& unit : units)
      count += std::max<std::int64_t>(ceil_div(unit.tiles(), middle), 1) * kv_heads;
    if (count <= blocks.slots) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/// The smallest number of tiles of a part: results of its rows are merged.
std::int64_t shortest_part(const WorkItem& unit, const Blocks& blocks) {
  return std::max<std::int64_t>(
      ceil_div(std::int64_t{blocks.least_tiles} * (unit.end_row - unit.first_row), blocks.rows), 1);
}

}  // namespace

WorkList make_work_list(const Problem& problem, std::int64_t keys, const Blocks& blocks) {
  const auto& s = problem.shape;
  const auto kv_heads = problem.mechanism.num_kv_heads;
  const auto group = static_cast<std::int32_t>(s.num_q_heads / kv_heads);
  const auto queries = static_cast<std::int32_t>(s.seqlen_q);
  const auto mask = mask_of(problem.mechanism);
  WorkList list;
  std::vector<WorkItem> units;
  for (std::int32_t b = 0; b < s.batch; ++b) {
    const auto used =
        static_cast<std::int32_t>(s.seqlens_kv.empty() ? keys : s.seqlens_kv[static_cast<std::size_t>(b)]);
    // Rows of global queries come first. Other units begin at multiples of blocks.rows.
    const auto global_queries = mask.block > 0 ? std::clamp(mask.globals - (used - queries), 0, queries) : 0;
    std::int32_t end_row = 0;
    for (std::int32_t row = 0; row < queries * group; row = end_row) {
      end_row = std::min((row / blocks.rows + 1) * blocks.rows, queries * group);
      if (row < global_queries * group) end_row = std::min(end_row, global_queries * group);
      WorkItem unit;
      unit.batch = b;
      ++list.units;
      unit.first_row = row;
      unit.end_row = end_row;
      unit.keys = used;
      unit.tile_keys = blocks.tile_keys;
      cover(unit, mask, row / group + used - queries, (end_row - 1) / group + used - queries);
      units.push_back(unit);
    }
  }
  const auto longest = longest_part(units, kv_heads, blocks);
  for (auto& unit : units) {
    const auto tiles = unit.tiles();
    if (blocks.split)
      unit.parts = static_cast<std::int32_t>(std::clamp<std::int64_t>(
          ceil_div(tiles, std::max(longest, shortest_part(unit, blocks))), 1, kMostParts));
    if (unit.parts > 1) {
      unit.first_part = list.parts;
      list.parts += unit.parts;
    }
    for (unit.part = 0; unit.part < unit.parts; ++unit.part) {
      list.items.push_back(
          part_of(unit, unit.part * tiles / unit.parts, (unit.part + 1) * tiles / unit.parts));
    }
  }
  std::stable_sort(list.items.begin(), list.items.end(), [&](const WorkItem& a, const WorkItem& b) {
    return blocks.by_key ? a.begin < b.begin : a.tiles() > b.tiles();
  });
  return list;
}

}  // namespace attnbench::cuda
