#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "engines/cuda/mask.h"
#include "engines/cuda/strided.h"

/// What lies between two products of an unfused kernel, a launch each.
namespace attnbench::cuda {

/// Where the rows of copy_rows() come from: row r of the target is row r / places * step + r % places +
/// offset of the source, of head h / group. Rows that the source does not have are zeros.
struct RowMap {
  std::int32_t rows = 0;  ///< of each head of the target
  std::int32_t heads = 0, batch = 0;
  std::int32_t group = 1;
  std::int32_t places = 1, step = 1, offset = 0;
  /// Rows r of the target are row r / interleaved of head h * interleaved + r % interleaved instead.
  std::int32_t interleaved = 0;
};

/// Dense (batch, heads, rows, width) of the source's type; with `phi`, elu(x) + 1 of each element, rounded to
/// the source's type and kept as `to_dtype`.
cudaError_t launch_copy_rows(const Strided& from, const RowMap& map, void* to, bool phi, DType to_dtype,
                             cudaStream_t stream);

/// How the columns of a row of scores are keys.
enum class Columns : std::int32_t {
  keys,    ///< column c is key c
  window,  ///< column c is key start + c, the window's first place
  block,   ///< columns below the block size are keys of the row's block, those from global_column on global
           ///< keys
};

struct SoftmaxRows {
  float* scores =
      nullptr;  ///< (batch, heads, rows, row_stride); P replaces them, a 2-byte type in half the row
  std::int64_t row_stride = 0;
  std::int32_t batch = 0, heads = 0, rows = 0, columns = 0;
  std::int32_t first_position = 0;  ///< of row 0
  std::int32_t first_query = 0;     ///< of row 0; rows before query 0 have no lse
  std::int32_t keys = 0;
  Columns kind = Columns::keys;
  std::int32_t places_left = 0;    ///< window: places before the row's position; -1: the window is all keys
  std::int32_t global_column = 0;  ///< block
  Mask mask;
  float scale = 1;
  DType p_dtype = DType::f32;
  Strided lse;  ///< may have no data
};

/// softmax(scale S) of each row over the columns that its query may see, 0 elsewhere; a block of threads a
/// row.
cudaError_t launch_softmax_rows(const SoftmaxRows& rows, cudaStream_t stream);

/// So many elements of 1.
cudaError_t launch_ones(void* to, DType dtype, std::int64_t count, cudaStream_t stream);

struct FinishRows {
  const float* numerators = nullptr;  ///< dense (batch, heads / interleaved, rows x interleaved, width)
  std::int64_t rows = 0;              ///< of a head in numerators
  std::int64_t offset = 0;            ///< row of query i is i + offset
  std::int64_t first_seeing = 0;      ///< queries before it, and those of rows below 0, see nothing
  std::int32_t batch = 0;
  std::int32_t interleaved = 1;
  /// Divisor features . normaliser + eps, where features are given: rows like those of the numerators.
  const void* features = nullptr;
  DType feature_dtype = DType::f32;
  std::int32_t feature_width = 0;
  const float* normalisers = nullptr;  ///< (batch, heads / group, feature_width), or one a row if by_row
  std::int32_t group = 1;
  bool by_row = false;
  float eps = 0;
  Strided o;
};

/// o = numerators / divisor, rounded; zeros where a query sees nothing. A warp a row.
cudaError_t launch_finish_rows(const FinishRows& rows, cudaStream_t stream);

/// Prefix sums over rows of phi(k) v^T and phi(k): states (count, rows, d, e) and normalisers (count, rows,
/// d).
cudaError_t launch_prefix_sums(const void* features, DType dtype, const Strided& v, std::int64_t batch,
                               std::int32_t d, std::int64_t first_row, float* states, float* normalisers,
                               cudaStream_t stream);

}  // namespace attnbench::cuda
