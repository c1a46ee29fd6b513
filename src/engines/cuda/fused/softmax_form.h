#pragma once

#include <cstdint>

#include "engines/cuda/fused/work_list.h"

namespace attnbench::cuda {

/// How a thread block divides its work: warps over rows, 16 each, and warps over the keys of a tile; or,
/// wide, two warpgroups over rows (softmax_wide.h); or warpgroups of blocks that stay
/// (softmax_persistent.h).
struct SoftmaxForm {
  std::int32_t row_warps = 4;
  std::int32_t key_warps = 1;
  bool wide = false;
  std::int32_t groups = 0;  ///< warpgroups of a block that stays
  std::int32_t tile_keys = kTileKeys;
  std::int32_t rows() const { return groups > 0 ? 64 * groups : wide ? kWideRows : 16 * row_warps; }
  bool mapped() const { return wide || groups > 0; }  ///< whether tensor maps say what is copied
};

/// Thread blocks of a multiprocessor, where they stay.
constexpr std::int32_t persistent_blocks(std::int64_t head_dim, const SoftmaxForm& form) {
  return form.groups == 2 ? 1 : head_dim == 64 && form.tile_keys == kTileKeys ? 3 : 2;
}

/// Of a call: few rows over many keys are bound by memory and want many tiles on their way; many rows over
/// many keys are bound by products.
SoftmaxForm softmax_form(const Problem& problem);
/// What a work list is for, where `slots` thread blocks of the form run at once.
Blocks softmax_blocks(const SoftmaxForm& form, const Problem& problem, std::int32_t slots);

}  // namespace attnbench::cuda
