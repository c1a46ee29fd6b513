#pragma once

#include <array>
#include <cstdint>

namespace attnbench {

/// Operand of ldtilecfg: eight AMX tiles of 16 rows of 64 bytes (Intel SDM, volume 1, 18.2).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace attnbench
