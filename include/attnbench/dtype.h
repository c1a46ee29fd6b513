#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

#pragma GCC visibility push(default)

namespace attnbench {

/// Element types. f16 can be stored and described; kernels may refuse it.
enum class DType : std::uint8_t { f32, bf16, f16 };

std::int64_t size_bytes(DType dtype);
std::string_view name(DType dtype);
/// Throws InputError for an unknown name.
DType parse_dtype(std::string_view text);

/// The distance between 1 and the next larger number of this type.
double unit_in_last_place(DType dtype);

/// bf16 is kept as its 16 bits; rounding is to nearest, ties to even; NaN stays NaN.
using bf16_bits = std::uint16_t;

inline float bf16_to_float(bf16_bits bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

inline bf16_bits bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<bf16_bits>((bits >> 16) | 0x40u);
  return static_cast<bf16_bits>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace attnbench

#pragma GCC visibility pop
