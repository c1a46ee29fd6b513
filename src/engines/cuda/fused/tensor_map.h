#pragma once

#include <cuda.h>

#include "engines/cuda/strided.h"

namespace attnbench::cuda {

/// How boxes of 64 columns are copied by the tensor memory accelerator: rows of 128 bytes in shared memory,
/// chunks of 16 bytes swizzled by the row modulo 8; what lies outside the tensor is zeros there and is not
/// written. bf16 and f16. Both throw std::runtime_error where the driver takes no such tensor.

/// Boxes of `keys` rows of K or V. Coordinates: column, row, head, batch entry.
CUtensorMap keys_map(const Strided& view, std::int32_t batch, std::int32_t keys);
/// Boxes of 64 rows of Q or O, those of a GQA group packed: query r / group of query head r % group.
/// Coordinates: column, 0, query, kv head, batch entry. Pre: 64 % group == 0.
CUtensorMap rows_map(const Strided& view, std::int32_t batch, std::int32_t group);

}  // namespace attnbench::cuda
