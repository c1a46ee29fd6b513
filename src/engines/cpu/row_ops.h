#pragma once

#include <cstdint>

#include "attnbench/dtype.h"

/// Element-wise and row-wise steps between matrix products, in the widest vectors the CPU has.
namespace attnbench::cpu {

/// Rows of f32 scores are padded so that the vector loops need no tail, and by another line so that rows of
/// power-of-two lengths do not all fall into the same cache sets.
inline std::int64_t padded_row(std::int64_t cols) { return (cols + 15) / 16 * 16 + 16; }

/// Rows of scores. `stride` is at least cols rounded up to a multiple of 16; what lies between is
/// overwritten.
struct ScoreRows {
  float* scores = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;
};

/// Where rows leave their log-sum-exp; `first` may be null.
struct LseColumn {
  float* first = nullptr;
  std::int64_t stride = 1;
};

/// Softmax over each row of scale * scores, scale > 0, in place: P in f32, or rounded to a type of two bytes
/// in the first half of each row (row stride 2 * stride in its elements). lse receives the natural
/// log-sum-exp of each scaled row. A row that is -inf throughout becomes zeros with lse = -inf.
void softmax_rows(const ScoreRows& rows, float scale, DType p_type, const LseColumn& lse);

/// row[begin..end) = value; nothing if begin >= end.
void fill(float* row, std::int64_t begin, std::int64_t end, float value);
void multiply(const ScoreRows& rows, float factor);

/// phi(x) = elu(x) + 1 = x + 1 where x > 0, else exp(x), from one row to another of the same type,
/// computed in f32.
void phi(const void* x, void* result, std::int64_t cols, DType dtype);

/// result[j] = x[j], x in dtype.
void widen(const void* x, float* result, std::int64_t cols, DType dtype);
/// result[j] = sums[j] / divisor, rounded to dtype.
void divide(const float* sums, float divisor, void* result, std::int64_t cols, DType dtype);

/// sums[c] = the sum of x[r][c] over r, dense rows x cols in dtype.
void column_sums(const void* x, float* sums, std::int64_t rows, std::int64_t cols, DType dtype);
/// The sum of x[j] * y[j], x in dtype.
float dot(const void* x, const float* y, std::int64_t cols, DType dtype);
/// result[j] = addend[j] + factor * x[j], x in dtype; result may be addend.
void multiply_add(float factor, const void* x, const float* addend, float* result, std::int64_t cols,
                  DType dtype);

/// result[r][c] = addend[r][c] + x[r] * y[c], dense rows x cols, x and y in dtype; result may be addend.
void add_outer_product(const void* x, const void* y, const float* addend, float* result, std::int64_t rows,
                       std::int64_t cols, DType dtype);
/// result[c] = sum over r of x[r] * matrix[r][c], dense rows x cols, x in dtype.
void row_times_matrix(const void* x, const float* matrix, float* result, std::int64_t rows, std::int64_t cols,
                      DType dtype);

}  // namespace attnbench::cpu
