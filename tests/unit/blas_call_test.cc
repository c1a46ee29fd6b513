#include "engines/cpu/blas_call.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace attnbench::cpu {
namespace {

/// m x k times k x n, all f32, by rows without gaps.
MatmulShape dense(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.m = m, .n = n, .k = k, .a = {DType::f32, k}, .b = {DType::f32, n}, .c = {DType::f32, n}};
}

TEST(BlasCall, ByRowsWithoutGaps) {
  EXPECT_EQ(blas_call(dense(2, 3, 4)), (BlasCall{false, false, 2, 3, 4, 4, 3, 3}));
}

TEST(BlasCall, ByColumnsIsTransposed) {
  auto shape = dense(2, 3, 4);
  shape.b = {DType::f32, 1, 40};  // column c of B begins at 40 c: K, transposed
  shape.a.row_stride = 64;
  EXPECT_EQ(blas_call(shape), (BlasCall{false, true, 2, 3, 4, 64, 40, 3}));
  shape.a = {DType::f32, 1, 5};
  EXPECT_EQ(blas_call(shape), (BlasCall{true, true, 2, 3, 4, 5, 40, 3}));
}

TEST(BlasCall, TheStrideOfASingleLineIsLongEnough) {
  auto shape = dense(1, 3, 4);
  shape.a.row_stride = 0;
  shape.c.row_stride = 1;
  EXPECT_EQ(blas_call(shape), (BlasCall{false, false, 1, 3, 4, 4, 3, 3}));
  shape = dense(2, 1, 4);
  shape.b = {DType::f32, 1, 0};  // one column
  EXPECT_EQ(blas_call(shape).ldb, 4);
  EXPECT_TRUE(blas_call(shape).transpose_b);
}

TEST(BlasCall, AColumnWhoseElementsLieApart) {
  auto shape = dense(5, 1, 4);
  shape.c.row_stride = 7;
  EXPECT_EQ(blas_call(shape).ldc, 7);
}

TEST(BlasCall, RefusesWhatAnIntDoesNotHold) {
  auto shape = dense(2, 3, 4);
  shape.a.row_stride = std::int64_t{1} << 31;
  EXPECT_THROW(blas_call(shape), std::length_error);
  EXPECT_THROW(blas_call(dense(std::int64_t{1} << 31, 1, 1)), std::length_error);
}

}  // namespace
}  // namespace attnbench::cpu
