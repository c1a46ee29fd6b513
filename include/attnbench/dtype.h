#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)

namespace attnbench {

/// Element types of tensors. Whoever decides by one visits all of them (visit(), or a switch without
/// default), so that one more is a compile error wherever it must be thought of.
enum class DType : std::uint8_t { f32, bf16, f16 };

/// bfloat16: 8 bits of exponent, 7 of fraction. Its bits, not a number to compute with.
struct bf16_t {
  std::uint16_t bits;

  bf16_t() = default;
  /// To nearest, ties to even; NaN stays NaN.
  constexpr explicit bf16_t(float value) : bits(0) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    bits = static_cast<std::uint16_t>(value != value ? (wide >> 16) | 0x40U
                                                     : (wide + 0x7fffU + ((wide >> 16) & 1U)) >> 16);
  }
  constexpr explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
  static constexpr bf16_t from_bits(std::uint16_t bits) {
    bf16_t element(0.0F);
    element.bits = bits;
    return element;
  }
};

/// IEEE 754 binary16: 5 bits of exponent, 10 of fraction, at most 65504. Its bits, not a number to compute
/// with.
struct f16_t {
  std::uint16_t bits;

  f16_t() = default;
  /// To nearest, ties to even: 65520 and above become infinity, below 2^-14 numbers are multiples of 2^-24.
  /// NaN stays NaN (quiet, with the upper bits of its payload, as vcvtps2ph does).
  constexpr explicit f16_t(float value) : bits(0) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    const auto magnitude = wide & 0x7fffffffU;
    std::uint32_t half = 0;
    if (magnitude > 0x7f800000U) {
      half = 0x7e00U | ((magnitude >> 13) & 0x3ffU);
    } else if (magnitude >= std::bit_cast<std::uint32_t>(65520.0F)) {
      half = 0x7c00U;
    } else if (magnitude >= std::bit_cast<std::uint32_t>(0x1p-14F)) {
      half = (magnitude - (112U << 23) + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
    } else {
      // Numbers in [1/2, 1) are multiples of 2^-24: the sum is rounded as the subnormal must be.
      half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
             std::bit_cast<std::uint32_t>(0.5F);
    }
    bits = static_cast<std::uint16_t>(((wide >> 16) & 0x8000U) | half);
  }
  /// Exact.
  constexpr explicit operator float() const {
    const std::uint32_t sign = (std::uint32_t{bits} & 0x8000U) << 16;
    const std::uint32_t magnitude = bits & 0x7fffU;
    std::uint32_t wide = (magnitude << 13) + (112U << 23);
    if (magnitude < 0x0400U) wide = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24F);
    if (magnitude >= 0x7c00U) wide += 112U << 23;
    if (magnitude > 0x7c00U) wide |= 0x00400000U;
    return std::bit_cast<float>(sign | wide);
  }
  static constexpr f16_t from_bits(std::uint16_t bits) {
    f16_t element(0.0F);
    element.bits = bits;
    return element;
  }
};

template <typename T>
concept Element = std::same_as<T, float> || std::same_as<T, bf16_t> || std::same_as<T, f16_t>;

static_assert(sizeof(bf16_t) == 2 && std::is_trivially_copyable_v<bf16_t>);
static_assert(sizeof(f16_t) == 2 && std::is_trivially_copyable_v<f16_t>);

/// Throws InputError: this value is none of the enumeration.
[[noreturn]] void no_such_dtype(DType dtype);

/// Calls `body(std::type_identity<T>())` with the type T of that element and returns what it returns.
template <typename Body>
constexpr decltype(auto) visit(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return std::forward<Body>(body)(std::type_identity<float>());
    case DType::bf16:
      return std::forward<Body>(body)(std::type_identity<bf16_t>());
    case DType::f16:
      return std::forward<Body>(body)(std::type_identity<f16_t>());
  }
  no_such_dtype(dtype);
}

/// All of them, in the order of the enumeration.
inline constexpr std::array kDTypes = {DType::f32, DType::bf16, DType::f16};

/// The other way round: dtype_of<bf16_t>.
template <Element T>
inline constexpr DType dtype_of = DType::f32;
template <>
inline constexpr DType dtype_of<bf16_t> = DType::bf16;
template <>
inline constexpr DType dtype_of<f16_t> = DType::f16;

constexpr std::int64_t size_bytes(DType dtype) {
  return visit(dtype,
               [](auto type) { return static_cast<std::int64_t>(sizeof(typename decltype(type)::type)); });
}
std::string_view name(DType dtype);
/// Throws InputError for an unknown name.
DType parse_dtype(std::string_view text);

/// The distance between 1 and the next larger number of this type.
double unit_in_last_place(DType dtype);
/// The largest finite number of this type.
double largest_finite(DType dtype);

}  // namespace attnbench

#pragma GCC visibility pop
