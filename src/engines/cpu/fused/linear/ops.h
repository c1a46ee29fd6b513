#pragma once

#include <cstdint>

#include "attnbench/dtype.h"

/// The arithmetic of linear attention on one chunk of rows, one table an instruction path. Whoever drives it
/// (execution.h) knows chunks, heads and threads, and nothing of registers.
///
/// Without tiles all products have one form: a cell of 4 bytes is broadcast and multiplied with a vector of
/// cells. A cell is one f32, or two bf16 that follow each other along the summed dimension (`per_cell`).
namespace attnbench::cpu::linear {

using Cell = std::uint32_t;

/// Rows of q, k, v or o of one head: `count` rows, `stride` elements apart.
template <typename T>
struct RowsOf {
  T* data = nullptr;
  std::int64_t stride = 0;
  std::int64_t count = 0;
};
using InputRows = RowsOf<const void>;
using OutputRows = RowsOf<void>;

/// Sizes of the buffers that the operations share.
struct Geometry {
  std::int64_t head_dim_qk = 0;
  std::int64_t head_dim_v = 0;
  std::int64_t features = 0;   ///< head_dim_qk, rounded up to Ops::multiple: rows of the state
  std::int64_t columns = 0;    ///< head_dim_v, rounded up to Ops::multiple: columns of the state
  std::int64_t chunk = 0;      ///< keys that a query row may see besides the state; 0 unless causal
  std::int64_t row_cells = 0;  ///< of one packed row [phi | weights of the chunk's keys], 64-byte padded
};

/// S = sum phi(k) v^T (features x columns) and z = sum phi(k) (features x normaliser_floats), in f32.
struct State {
  float* s = nullptr;
  float* z = nullptr;
};

/// v as right operand: rows of cells, `stride` cells apart. Tiles have an order of their own.
struct Values {
  const Cell* cells = nullptr;
  std::int64_t stride = 0;
};

/// One thread's packed operands; path amx has its own order of them (amx_pack.h).
struct Scratch {
  Cell* key_rows = nullptr;    ///< [keys][row_cells]: phi(k)
  Cell* keys = nullptr;        ///< [keys / per_cell][features]: phi(k), left operand of the state's update
  Cell* transposed = nullptr;  ///< [features / per_cell][chunk]: phi(k), right operand of the scores
  Cell* values = nullptr;      ///< [keys / per_cell][columns]: v
  Cell* operand = nullptr;     ///< [(features + chunk) / per_cell][columns]: the state, then the chunk's v
  Cell* normaliser = nullptr;  ///< z and ones; what rounding took from it
  Cell* rows = nullptr;        ///< [queries][row_cells]: [phi(q) | weights]
};

struct Ops {
  std::int64_t per_cell;
  std::int64_t element_bytes;  ///< of q, k, v and o
  std::int64_t causal_chunk;
  std::int64_t key_block = 64;         ///< keys summed at a time
  std::int64_t key_rows = 64;          ///< of Scratch::key_rows
  std::int64_t multiple = 16;          ///< of features and columns
  std::int64_t normaliser_floats = 1;  ///< of z for each feature
  /// Around all other operations on a thread, where the path asks for it.
  void (*enter)() = nullptr;
  void (*leave)() = nullptr;

  /// phi(k) into `keys` (and `transposed`, where the geometry has a chunk).
  void (*pack_keys)(const Geometry&, const InputRows& k, const Scratch&);
  /// v into `to`, one row of cells per per_cell keys; a missing last key counts as zero. Where v `may_stay`
  /// and its rows are rows of cells already, they are used as they lie.
  Values (*pack_values)(const Geometry&, const InputRows& v, bool may_stay, Cell* to);
  /// state += packed keys x `values`. With `emit`, also into `operand` and `normaliser`.
  void (*update_state)(const Geometry&, std::int64_t count, const Values& values, const State&, bool emit,
                       const Scratch&);
  /// The state into `operand` and `normaliser`.
  void (*emit_state)(const Geometry&, const State&, const Scratch&);
  /// phi(q) into `rows`.
  void (*pack_queries)(const Geometry&, const InputRows& q, const Scratch&);
  /// phi(q) phi(k)^T of row i and the keys j <= i of the chunk into `rows`.
  void (*score)(const Geometry&, std::int64_t count, const Scratch&);
  /// o = rows x operand / (rows x normaliser + eps).
  void (*attend)(const Geometry&, float eps, const OutputRows& o, const Scratch&);
};

/// bf16 with vdpbf16ps; x86 builds only.
const Ops& ops_avx512bf16();
/// f32 with AVX-512; x86 builds only.
const Ops& ops_avx512();
/// Every element type, with the widest vectors this CPU has.
const Ops& ops_portable(DType dtype);

}  // namespace attnbench::cpu::linear
