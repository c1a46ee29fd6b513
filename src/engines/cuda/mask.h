#pragma once

#include <cstdint>

#include "attnbench/mechanism.h"
#include "engines/cuda/anywhere.h"

namespace attnbench::cuda {

/// Keys that a query may see: [0, globals) and [begin, end), which do not overlap.
struct Seen {
  std::int32_t globals = 0;
  std::int32_t begin = 0, end = 0;
};

/// Which keys the queries of a mechanism see, in numbers that a GPU has in registers.
struct Mask {
  std::int32_t left = 0, right = 0;  ///< keys before and after the position, where there is a window
  std::int32_t block = 0;            ///< 0: no blocks
  std::int32_t globals = 0;
  bool window = false;
  bool causal = false;

  /// As allowed_keys() says it. position < 0: none.
  ATTNBENCH_ANYWHERE Seen seen(std::int32_t position, std::int32_t keys) const {
    if (position < 0) return {};
    const std::int32_t last = causal && position + 1 < keys ? position + 1 : keys;
    Seen seen{0, 0, last};
    if (window) {
      seen.begin = position - left;
      if (position + right + 1 < last) seen.end = position + right + 1;
    } else if (block > 0 && position >= globals) {
      seen.begin = position / block * block;
      if (seen.begin + block < last) seen.end = seen.begin + block;
      seen.globals = globals < last ? globals : last;
    }
    if (seen.begin < seen.globals) seen.begin = seen.globals;
    if (seen.end < seen.begin) seen.end = seen.begin;
    return seen;
  }
};

/// Pre: keys and queries are fewer than 2^29. Sizes beyond that are cut, which changes nothing.
inline Mask mask_of(const Mechanism& m) {
  constexpr std::int64_t kMost = std::int64_t{1} << 29;
  const auto cut = [](std::int64_t size) { return static_cast<std::int32_t>(size < kMost ? size : kMost); };
  Mask mask;
  mask.causal = m.is_causal();
  if (m.kind == MechanismKind::swa) {
    mask.window = true;
    mask.left = cut(m.causal_bottom_right ? m.window - 1 : m.window / 2);
    mask.right = m.causal_bottom_right ? 0 : cut(m.window / 2);
  }
  if (m.kind == MechanismKind::block_sparse) {
    mask.block = cut(m.block_size);
    mask.globals = cut(m.globals);
  }
  return mask;
}

}  // namespace attnbench::cuda
