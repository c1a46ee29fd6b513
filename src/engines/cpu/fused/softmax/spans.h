#pragma once

#include <array>
#include <span>

#include "engines/cpu/fused/softmax/block.h"
#include "engines/cpu/fused/softmax/geometry.h"

namespace attnbench::cpu::fused {

/// Keys and the half of the lanes that must read them.
struct Piece {
  KeyRange keys;
  KeyRange full;  ///< keys that all lanes of the halves see
  Halves halves = Halves::both;
};

/// At most: low lanes alone, both, high lanes alone.
struct Pieces {
  std::array<Piece, 3> piece;
  int count = 0;
  /// Of all pieces.
  KeyRange keys() const;
  /// No key needs a mask.
  bool all_full() const;
  std::span<const Piece> view() const { return {piece.data(), static_cast<std::size_t>(count)}; }
};

/// The local keys (no globals) of rows [begin, end), restricted to `within`, cut where a 16-lane half has
/// nothing to read. Cuts lie on multiples of kKeyUnit or at the last key.
Pieces cut_pieces(const HeadGeometry& head, std::int64_t begin, std::int64_t end, KeyRange within);

/// The same without cuts, for kernels that do not work by halves.
Pieces whole_piece(const HeadGeometry& head, std::int64_t begin, std::int64_t end, KeyRange within);

/// Part `part` of `parts` of the keys that rows [begin, end) see locally, cut at multiples of kTileKeys.
KeyRange part_of_keys(const HeadGeometry& head, std::int64_t begin, std::int64_t end, int part, int parts);

}  // namespace attnbench::cpu::fused
