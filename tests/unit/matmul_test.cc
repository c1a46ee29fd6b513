#include "engines/cpu/matmul.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cmath>
#include <random>
#include <vector>

#include "attnbench/cpu_device.h"

namespace attnbench::cpu {
namespace {

double element(const void* data, const MatrixLayout& layout, std::int64_t i, std::int64_t r, std::int64_t c) {
  const auto at = i * layout.batch_stride + r * layout.row_stride + c * layout.col_stride;
  return visit(layout.dtype, [&](auto type) {
    return static_cast<float>(static_cast<const typename decltype(type)::type*>(data)[at]);
  });
}

/// Memory for `elements`, filled with normal values.
struct Operand {
  Operand(DType dtype, std::int64_t elements, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < elements; ++i) f32.push_back(normal(random));
    bf16 = std::vector<bf16_t>(f32.begin(), f32.end());
    f16 = std::vector<f16_t>(f32.begin(), f32.end());
    data = visit(dtype, [&](auto type) -> void* { return values(type); });
  }
  std::vector<float> f32;
  std::vector<bf16_t> bf16;
  std::vector<f16_t> f16;
  void* data;

 private:
  void* values(std::type_identity<float>) { return f32.data(); }
  void* values(std::type_identity<bf16_t>) { return bf16.data(); }
  void* values(std::type_identity<f16_t>) { return f16.data(); }
};

void expect_product(const MatmulShape& s, const void* a, const void* b, const void* c, double before = 0) {
  const double tolerance = (s.c.dtype == DType::f32 ? 1e-6 : unit_in_last_place(s.c.dtype) / 2) *
                           std::sqrt(static_cast<double>(s.k)) * 4;
  for (std::int64_t i = 0; i < s.batch; ++i)
    for (std::int64_t r = 0; r < s.m; ++r)
      for (std::int64_t col = 0; col < s.n; ++col) {
        double sum = before;
        for (std::int64_t j = 0; j < s.k; ++j) sum += element(a, s.a, i, r, j) * element(b, s.b, i, j, col);
        ASSERT_NEAR(element(c, s.c, i, r, col), sum, tolerance) << i << " " << r << " " << col;
      }
}

class MatmulTypes : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!matmul_support(GetParam(), cpu_device(1))) GTEST_SKIP() << "no products in this type here";
  }
};

TEST_P(MatmulTypes, PreparedShapeAndOthersAtRunTime) {
  const auto dtype = GetParam();
  Workspace workspace;
  const MatmulShape prepared{
      .m = 24, .n = 40, .k = 32, .a = {dtype, 36}, .b = {dtype, 1, 48}, .c = {DType::f32, 56}};
  Matmul matmul(prepared, Matmul::Threading::caller, 2, workspace);
  workspace.allocate();
  Operand a(dtype, 5000, 1), b(dtype, 5000, 2), c(DType::f32, 5000, 3);
  auto other = prepared;
  other.m = 7, other.n = 19, other.k = 29, other.a.row_stride = 61, other.b.col_stride = 33,
  other.c.row_stride = 70;
  for (const int caller : {0, 1, 0}) {
    for (const auto& shape : {prepared, other, prepared}) {
      matmul.run(caller, shape, a.data, b.data, c.data);
      expect_product(shape, a.data, b.data, c.data);
    }
  }
}

TEST_P(MatmulTypes, BatchesOfAnyCount) {
  const auto dtype = GetParam();
  Workspace workspace;
  const MatmulShape prepared{.m = 8,
                             .n = 16,
                             .k = 8,
                             .a = {dtype, 8, 1, 64},
                             .b = {dtype, 16, 1, 128},
                             .c = {dtype, 16, 1, 128},
                             .batch = 5};
  Matmul matmul(prepared, Matmul::Threading::caller, 1, workspace);
  workspace.allocate();
  Operand a(dtype, 1000, 1), b(dtype, 1000, 2), c(dtype, 1000, 3);
  for (const std::int64_t batch : {5, 1, 3}) {
    auto shape = prepared;
    shape.batch = batch;
    matmul.run(0, shape, a.data, b.data, c.data);
    expect_product(shape, a.data, b.data, c.data);
  }
}

TEST_P(MatmulTypes, TransposedFirstOperandByATeam) {
  const auto dtype = GetParam();
  Workspace workspace;
  const MatmulShape shape{
      .m = 48, .n = 64, .k = 100, .a = {dtype, 1, 48}, .b = {dtype, 64}, .c = {dtype, 64}};
  Matmul matmul(shape, Matmul::Threading::team, 2, workspace);
  workspace.allocate();
  Operand a(dtype, 4800, 1), b(dtype, 6400, 2), c(dtype, 4000, 3);
  matmul.run(0, a.data, b.data, c.data);
  expect_product(shape, a.data, b.data, c.data);
}

TEST_P(MatmulTypes, AccumulatesInF32) {
  Workspace workspace;
  const MatmulShape shape{
      .m = 9, .n = 16, .k = 3, .a = {GetParam(), 3}, .b = {GetParam(), 16}, .c = {DType::f32, 16}};
  Matmul matmul(shape, Matmul::Threading::caller, 1, workspace, Matmul::Result::accumulate);
  workspace.allocate();
  Operand a(GetParam(), 27, 1), b(GetParam(), 48, 2), c(DType::f32, 144, 3);
  c.f32.assign(144, 0.5F);
  matmul.run(0, a.data, b.data, c.data);
  expect_product(shape, a.data, b.data, c.data, 0.5);
}

TEST_P(MatmulTypes, SingleRowsColumnsAndTerms) {
  const auto dtype = GetParam();
  Operand a(dtype, 5000, 1), b(dtype, 5000, 2), c(DType::f32, 5000, 3);
  for (const std::int64_t m : {1, 7, 33}) {
    for (const std::int64_t n : {1, 5}) {
      for (const std::int64_t k : {1, 32}) {
        Workspace workspace;
        const MatmulShape shape{
            .m = m, .n = n, .k = k, .a = {dtype, 40}, .b = {dtype, 1, 36}, .c = {DType::f32, 48}};
        Matmul matmul(shape, Matmul::Threading::caller, 1, workspace);
        workspace.allocate();
        matmul.run(0, a.data, b.data, c.data);
        expect_product(shape, a.data, b.data, c.data);
      }
    }
  }
}

/// Rows so far apart that the last lies beyond 2^31 elements; only their pages exist.
TEST_P(MatmulTypes, OffsetsBeyondTwoToThe31Elements) {
  const auto dtype = GetParam();
  const std::int64_t stride = (std::int64_t{1} << 28) + 64;
  const std::int64_t rows = 12;
  const auto bytes = static_cast<std::size_t>(rows * stride * size_bytes(dtype));
  void* sparse =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(sparse, MAP_FAILED);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < 16; ++c) {
      const auto value = static_cast<float>(r + 1) - 0.5F * static_cast<float>(c);
      visit(dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        static_cast<T*>(sparse)[r * stride + c] = static_cast<T>(value);
      });
    }
  }
  Workspace workspace;
  const MatmulShape dense{
      .m = rows, .n = rows, .k = 16, .a = {dtype, 16}, .b = {dtype, 1, 16}, .c = {DType::f32, rows}};
  Matmul matmul(dense, Matmul::Threading::caller, 1, workspace);
  workspace.allocate();
  std::vector<float> result(static_cast<std::size_t>(rows * rows));
  auto shape = dense;
  shape.a.row_stride = stride;
  shape.b.col_stride = stride;
  matmul.run(0, shape, sparse, sparse, result.data());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < rows; ++c) {
      double sum = 0;
      for (std::int64_t j = 0; j < 16; ++j)
        sum += element(sparse, shape.a, 0, r, j) * element(sparse, shape.b, 0, j, c);
      EXPECT_NEAR(result[static_cast<std::size_t>(r * rows + c)], sum, 1e-4 * std::abs(sum) + 1e-4);
    }
  }
  munmap(sparse, bytes);
}

INSTANTIATE_TEST_SUITE_P(Cpu, MatmulTypes, testing::ValuesIn(kDTypes),
                         [](const auto& value) { return std::string(name(value.param)); });

/// Of bf16 in f32 the library sees f32.
TEST(Matmul, MultipliesInF32WhereAskedTo) {
  const auto of = [](DType dtype, bool in_f32) {
    Workspace workspace;
    const MatmulShape shape{
        .m = 64, .n = 64, .k = 64, .a = {dtype, 64}, .b = {dtype, 64}, .c = {dtype, 64}, .in_f32 = in_f32};
    return Matmul(shape, Matmul::Threading::caller, 1, workspace).implementation();
  };
  EXPECT_EQ(of(DType::bf16, true), of(DType::f32, false));
  if (cpu_device(1).features.avx512_bf16) {
    EXPECT_NE(of(DType::bf16, false), of(DType::f32, false));
  }
}

TEST(Matmul, NamesTheTypesItLacks) {
  auto device = cpu_device(1);
  device.features.avx512 = false;
  EXPECT_EQ(matmul_support(DType::bf16, device).reason(),
            "oneDNN has bf16 products only on CPUs with AVX-512; unfused_f32 and the "
            "projections of layers make them in f32");
  EXPECT_TRUE(matmul_support(DType::f16, device));
  EXPECT_TRUE(matmul_support(DType::f32, device));
}

}  // namespace
}  // namespace attnbench::cpu
