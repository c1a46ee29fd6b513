#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace attnbench::cpu::linear {

/// Bits of 2^(h/16) less h << 19: adding (16 n + h) << 19 gives 2^(n + h/16).
inline std::array<std::uint32_t, 16> exp2_table() {
  std::array<std::uint32_t, 16> table{};
  for (std::uint32_t h = 0; h < 16; ++h) {
    table[h] = std::bit_cast<std::uint32_t>(std::exp2(static_cast<float>(h) / 16.0F)) - (h << 19);
  }
  return table;
}
alignas(64) inline const std::array<std::uint32_t, 16> kExp2Table = exp2_table();

/// -127 ln 2: here the table's sum has exponent 0 and is zero, as all below has to be.
inline constexpr float kUnderflow = -0x1.601e68p+6F;

}  // namespace attnbench::cpu::linear
