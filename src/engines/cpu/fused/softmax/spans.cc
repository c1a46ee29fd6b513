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
  const auto middle = std::min(begin + kHalfLanes, end);
  const auto low = aligned(intersection(head.local_union(begin, middle), within), head.keys());
  const auto high = aligned(intersection(head.local_union(middle, end), within), head.keys());
  Pieces pieces;
  const auto add = [&](KeyRange keys, Halves halves) {
    if (keys.size() == 0) return;
    const auto full = head.local_intersection(halves == Halves::high ? middle : begin,
                                              halves == Halves::low ? middle : end);
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
