#include "attnbench/dtype.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "attnbench/error.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

static_assert(!std::is_convertible_v<float, bf16_t> && !std::is_convertible_v<float, f16_t>);
static_assert(!std::is_convertible_v<bf16_t, float> && !std::is_convertible_v<f16_t, float>);
static_assert(!std::is_constructible_v<bf16_t, f16_t> && !std::is_constructible_v<f16_t, bf16_t>);
static_assert(!std::is_constructible_v<std::uint16_t, bf16_t> && !std::is_constructible_v<int, f16_t>);
static_assert(std::is_trivially_copyable_v<f16_t> && std::is_trivially_default_constructible_v<f16_t>);
static_assert(!Element<std::uint16_t> && !Element<double>);

/// What the bits of a binary format with so many bits of exponent and fraction stand for (IEEE 754, 3.4).
double meaning(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int fraction = static_cast<int>(bits & ((1U << fraction_bits) - 1));
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

template <typename T>
struct Format;
template <>
struct Format<bf16_t> {
  static constexpr int exponent = 8, fraction = 7;
};
template <>
struct Format<f16_t> {
  static constexpr int exponent = 5, fraction = 10;
};

template <typename T>
double meaning_of(std::uint32_t bits) {
  return meaning(bits, Format<T>::exponent, Format<T>::fraction);
}

template <typename T>
class HalfTypes : public testing::Test {
 protected:
  static constexpr std::uint32_t kInfinity = ((1U << Format<T>::exponent) - 1) << Format<T>::fraction;
  static constexpr std::uint32_t kSign = 0x8000;
  static std::uint32_t bits(float value) { return T(value).bits; }
};
using Halves = testing::Types<bf16_t, f16_t>;
TYPED_TEST_SUITE(HalfTypes, Halves);

TYPED_TEST(HalfTypes, EveryPatternHasItsValueAndComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = static_cast<float>(TypeParam::from_bits(static_cast<std::uint16_t>(bits)));
    const double expected = meaning_of<TypeParam>(bits);
    ASSERT_EQ(std::signbit(value), bits >= this->kSign) << std::hex << bits;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << std::hex << bits;
      ASSERT_TRUE(std::isnan(meaning_of<TypeParam>(this->bits(value)))) << std::hex << bits;
      ASSERT_EQ(this->bits(value) & this->kSign, bits & this->kSign);
    } else {
      ASSERT_EQ(static_cast<double>(value), expected) << std::hex << bits;
      ASSERT_EQ(this->bits(value), bits) << std::hex << bits;
    }
  }
}

// Between two neighbours: what is nearer, and of two equally near the one with an even last bit. Behind the
// largest number stands infinity where the next one would be.
TYPED_TEST(HalfTypes, RoundsToNearestEven) {
  for (std::uint32_t low = 0; low < this->kInfinity; ++low) {
    const auto high = low + 1;
    const double below = meaning_of<TypeParam>(low);
    const double step = std::isinf(meaning_of<TypeParam>(high)) ? below - meaning_of<TypeParam>(low - 1)
                                                                : meaning_of<TypeParam>(high) - below;
    const auto middle = static_cast<float>(below + step / 2);
    ASSERT_EQ(static_cast<double>(middle), below + step / 2);
    for (const auto sign : {std::uint32_t{0}, this->kSign}) {
      const float factor = sign != 0 ? -1.0F : 1.0F;
      ASSERT_EQ(this->bits(factor * middle), sign | (low % 2 == 0 ? low : high)) << std::hex << low;
      ASSERT_EQ(this->bits(factor * std::nextafter(middle, 0.0F)), sign | low) << std::hex << low;
      ASSERT_EQ(this->bits(factor * std::nextafter(middle, std::numeric_limits<float>::infinity())),
                sign | high)
          << std::hex << low;
    }
  }
}

TYPED_TEST(HalfTypes, InfinitiesStayAndNaNsWithAnyPayloadStayNaN) {
  const auto infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(this->bits(infinity), this->kInfinity);
  EXPECT_EQ(this->bits(-infinity), this->kSign | this->kInfinity);
  for (const std::uint32_t payload : {1U, 0x1fffU, 0x2000U, 0xffffU, 0x400000U, 0x7fffffU}) {
    for (const std::uint32_t sign : {0U, 0x80000000U}) {
      const auto bits = this->bits(std::bit_cast<float>(sign | 0x7f800000U | payload));
      EXPECT_TRUE(std::isnan(meaning_of<TypeParam>(bits))) << std::hex << payload;
      EXPECT_EQ(bits & this->kSign, sign >> 16);
    }
  }
}

TEST(DType, ConversionsByHand) {
  const auto f16 = [](float value) { return f16_t(value).bits; };
  EXPECT_EQ(f16(1), 0x3c00);
  EXPECT_EQ(f16(-2), 0xc000);
  EXPECT_EQ(f16(0.1F), 0x2e66);
  EXPECT_EQ(f16(1.0F / 3), 0x3555);
  EXPECT_EQ(f16(65504), 0x7bff);
  EXPECT_EQ(f16(65519.996F), 0x7bff);
  EXPECT_EQ(f16(65520), 0x7c00);
  EXPECT_EQ(f16(0x1p-14F), 0x0400);
  EXPECT_EQ(f16(0x1.ff8p-15F), 0x03ff);
  EXPECT_EQ(f16(0x1.ffcp-15F), 0x0400);
  EXPECT_EQ(f16(0x1p-24F), 0x0001);
  EXPECT_EQ(f16(0x1p-25F), 0x0000);
  EXPECT_EQ(f16(0x1.8p-24F), 0x0002);
  EXPECT_EQ(f16(-0.0F), 0x8000);
  EXPECT_EQ(f16(1e-40F), 0x0000);
  const auto bf16 = [](float value) { return bf16_t(value).bits; };
  EXPECT_EQ(bf16(1), 0x3f80);
  EXPECT_EQ(bf16(0.1F), 0x3dcd);
  EXPECT_EQ(bf16(3.14159265F), 0x4049);
  EXPECT_EQ(bf16(0x1.01p0F), 0x3f80);
  EXPECT_EQ(bf16(0x1.03p0F), 0x3f82);
  EXPECT_EQ(bf16(std::numeric_limits<float>::max()), 0x7f80);
  static_assert(f16_t(1.5F).bits == 0x3e00 && static_cast<float>(bf16_t::from_bits(0x4049)) == 3.140625F);
}

TEST(DType, SizesUnitsAndRangesAreThoseOfTheFormats) {
  EXPECT_EQ(size_bytes(DType::f32), 4);
  EXPECT_EQ(size_bytes(DType::bf16), 2);
  EXPECT_EQ(size_bytes(DType::f16), 2);
  EXPECT_EQ(unit_in_last_place(DType::f32), std::numeric_limits<float>::epsilon());
  EXPECT_EQ(unit_in_last_place(DType::bf16), meaning_of<bf16_t>(0x3f81) - 1);
  EXPECT_EQ(unit_in_last_place(DType::f16), meaning_of<f16_t>(0x3c01) - 1);
  EXPECT_EQ(largest_finite(DType::f32), std::numeric_limits<float>::max());
  EXPECT_EQ(largest_finite(DType::bf16), meaning_of<bf16_t>(0x7f7f));
  EXPECT_EQ(largest_finite(DType::f16), meaning_of<f16_t>(0x7bff));
}

TEST(DType, NamesComeBackAndOthersAreRefused) {
  for (const auto dtype : kDTypes) EXPECT_EQ(parse_dtype(name(dtype)), dtype);
  EXPECT_EQ(name(DType::f16), "f16");
  for (const char* text : {"fp8", "f8", "F16", "half", "float16", ""}) {
    try {
      parse_dtype(text);
      ADD_FAILURE() << text;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("f32, bf16, f16")) << text;
    }
  }
}

TEST(DType, VisitGivesEachItsType) {
  for (const auto dtype : kDTypes) {
    EXPECT_EQ(visit(dtype, [](auto type) { return dtype_of<typename decltype(type)::type>; }), dtype);
  }
}

// A number that is none of the enumeration is never taken for one of its types.
TEST(DType, ANumberOutsideTheEnumerationIsRefused) {
  const auto fp8 = static_cast<DType>(kDTypes.size());
  EXPECT_THROW(size_bytes(fp8), InputError);
  EXPECT_THROW(name(fp8), InputError);
  EXPECT_THROW(unit_in_last_place(fp8), InputError);
  EXPECT_THROW(largest_finite(fp8), InputError);
  EXPECT_THROW(visit(fp8, [](auto) {}), InputError);
}

}  // namespace
}  // namespace attnbench
