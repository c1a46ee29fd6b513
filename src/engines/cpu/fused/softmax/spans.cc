#include "engines/cpu/fused/softmax/spans.h"

#include <algorithm>

namespace attnbench::cpu::fused {
namespace {

KeyRange intersection(KeyRange a, KeyRange b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

std::int64_t down(std::int64_t key, std::int64_t unit) { return key / unit * unit; }
std::int64_t up(std::int64_t key, std::int64_t unit) { return (key + unit - 1) / unit * unit; }

/// Grown to multiples of kKeyUnit where there are keys.
KeyRange aligned(KeyRange range, std::int64_t keys) {
  if (range.size() == 0) return {};
  return {down(range.begin, kKeyUnit), std::min(up(range.end, kKeyUnit), keys)};
}

}  // namespace

KeyRange Pieces::keys() const {
  return count == 0 ? KeyRange{} : KeyRange{piece[0].keys.begin, view().back().keys.end};
}

bool Pieces::all_full() const {
  return std::ranges::all_of(
      view(), [](const Piece& p) { return p.full.begin <= p.keys.begin && p.keys.end <= p.full.end; });
}

Pieces cut_pieces(const HeadGeometry& head, std::int64_t begin, std::int64_t end, KeyRange within) {
  // Keys only move forward along the rows: those at the ends of the halves say all.
  const auto middle = std::min(begin + kHalfLanes, end);
  const auto local = [&](std::int64_t row) { return head.allowed(row).local; };
  const auto low_first = local(begin);
  const auto low_last = local(middle - 1);
  const auto high_first = middle < end ? local(middle) : low_last;
  const auto high_last = middle < end ? local(end - 1) : low_last;
  const auto seen = [&](std::int64_t from, std::int64_t to) {
    return aligned(intersection({from, to}, within), head.keys());
  };
  const auto low = seen(low_first.begin, low_last.end);
  const auto high = middle < end ? seen(high_first.begin, high_last.end) : KeyRange{};
  Pieces pieces;
  const auto add = [&](KeyRange keys, Halves halves) {
    if (keys.size() == 0) return;
    const KeyRange full{halves == Halves::low ? low_last.begin : high_last.begin,
                        halves == Halves::high ? high_first.end : low_first.end};
    pieces.piece[static_cast<std::size_t>(pieces.count++)] = {keys, full, halves};
  };
  if (high.size() == 0 || low.size() == 0 || high.begin >= low.end) {
    add(low, Halves::low);
    add(high, Halves::high);
  } else {
    add({low.begin, high.begin}, Halves::low);
    add({high.begin, low.end}, Halves::both);
    add({low.end, high.end}, Halves::high);
  }
  return pieces;
}

Pieces whole_piece(const HeadGeometry& head, std::int64_t begin, std::int64_t end, KeyRange within) {
  Pieces pieces;
  const auto keys = intersection(head.local_union(begin, end), within);
  if (keys.size() > 0) pieces = {{{{keys, head.local_intersection(begin, end), Halves::both}}}, 1};
  return pieces;
}

KeyRange part_of_keys(const HeadGeometry& head, std::int64_t begin, std::int64_t end, int part, int parts) {
  const auto keys = head.local_union(begin, end);
  const auto tiles = (keys.size() + kTileKeys - 1) / kTileKeys;
  const auto cut = [&](std::int64_t p) {
    return std::min(down(keys.begin, kKeyUnit) + tiles * p / parts * kTileKeys, keys.end);
  };
  return {part == 0 ? keys.begin : cut(part), part + 1 == parts ? keys.end : cut(part + 1)};
}

}  // namespace attnbench::cpu::fused
