#pragma once

#include <cstdint>

namespace attnbench::cuda {

/// Tokens of a chunk of keys, a multiple of `tile`, such that the blocks of all chunks take the least time
/// where `blocks` run at once: one for each chunk of `items` (batch entries times kv heads) of `tokens` keys.
std::int64_t linear_chunk(std::int64_t tokens, std::int64_t tile, std::int64_t items, std::int64_t blocks);

}  // namespace attnbench::cuda
