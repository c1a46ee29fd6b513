/// f32 arithmetic for any vector width; elements of two bytes are widened as they are read and rounded as o
/// is written. A cell is one f32, so keys serve as left operands just as they lie. Tiles of 8 x 3 registers
/// at most where there are 32 registers, 4 x 3 where there are 16. On one Zen 4 core, f32, D = 64: 512 cycles
/// of products a token and head are 143 ns at the clock they run at; state and output take 148 of the 177 to
/// 184 ns of linear (N = 128 to 1024), phi of k 11, of q 11. Copying v took 5 more. Fetching rows ahead
/// brought linear there from 270 to 225 once; into the second level instead of the first N = 1024 took 205
/// instead of 217 to 234. What did not help: phi of the next rows between products (99 ns a key where apart
/// 97), fetching rows of o ahead, and, each within 5 ns, blocks of 32 keys instead of 64 and rows a line
/// longer so that they spread over the cache's sets.
#include <algorithm>
#include <type_traits>

#include "attnbench/dtype.h"
#include "engines/cpu/fused/linear/ops.h"

// Arrays of registers have no form in instruction sets whose width is unknown when compiling.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engines/cpu/fused/linear/ops_highway.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engines/cpu/fused/linear/highway_phi.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::linear::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kChunk = 32;
#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif

/// Rows come in bursts between products, too far apart for the hardware to fetch them in time.
constexpr std::int64_t kRowsAhead = 64;
template <typename T>
HWY_INLINE void prefetch_row(const T* row, std::int64_t stride, std::int64_t width) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t c = 0; c < width; c += kLine) __builtin_prefetch(row + kRowsAhead * stride + c, 0, 2);
}

/// phi of rows, as f32, zero up to g.features.
template <typename T>
HWY_INLINE void map_rows(const Geometry& g, const InputRows& x, Cell* to) {
  const D d;
  for (std::int64_t i = 0; i < x.count; ++i) {
    const auto* row = static_cast<const T*>(x.data) + i * x.stride;
    prefetch_row(row, x.stride, g.head_dim_qk);
    std::int64_t c = 0;
    for (; c + kLanes <= g.head_dim_qk; c += kLanes) {
      store(phi(load_elements(d, row + c)), to + i * g.row_cells + c);
    }
    for (; c < g.features; c += kLanes) {
      const auto left = std::max<std::int64_t>(g.head_dim_qk - c, 0);
      const auto inside = hn::FirstN(d, static_cast<std::size_t>(left));
      store(hn::IfThenElseZero(inside, phi(load_first(row + g.head_dim_qk - left, left))),
            to + i * g.row_cells + c);
    }
  }
}

/// 4 x 4 cells.
HWY_INLINE void transpose(const Cell* from, std::int64_t from_stride, Cell* to, std::int64_t to_stride) {
  const hn::CappedTag<std::uint32_t, 4> d;
  const hn::RepartitionToWide<decltype(d)> dw;
  const auto a0 = hn::LoadU(d, from);
  const auto a1 = hn::LoadU(d, from + from_stride);
  const auto a2 = hn::LoadU(d, from + 2 * from_stride);
  const auto a3 = hn::LoadU(d, from + 3 * from_stride);
  const auto low01 = hn::BitCast(dw, hn::InterleaveLower(d, a0, a1));
  const auto low23 = hn::BitCast(dw, hn::InterleaveLower(d, a2, a3));
  const auto high01 = hn::BitCast(dw, hn::InterleaveUpper(d, a0, a1));
  const auto high23 = hn::BitCast(dw, hn::InterleaveUpper(d, a2, a3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, high01, high23)), d, to + 3 * to_stride);
}

/// kRows x V registers of sums.
template <int V>
struct Tile {
  Vector sum[kRows][V];

  /// Written out, since GCC gives an implicit constructor no target attribute and NEON's vectors have one of
  /// their own to call.
  HWY_INLINE Tile() {}

  HWY_INLINE void clear() {
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(3)
      for (int v = 0; v < V; ++v) sum[r][v] = hn::Zero(D());
    }
  }

  /// sum[r] += a(r, step) b(step), over `steps` steps; a_row and a_step are a's strides.
  HWY_INLINE void multiply(const Cell* a_cells, std::int64_t a_row, std::int64_t a_step, const Cell* b,
                           std::int64_t b_step, std::int64_t steps) {
    const D d;
    const auto* a = reinterpret_cast<const float*>(a_cells);
    for (std::int64_t step = 0; step < steps; ++step) {
      Vector right[V];
      HWY_UNROLL(3)
      for (int v = 0; v < V; ++v) right[v] = load(b + kLanes * v);
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        const auto left = hn::Set(d, a[r * a_row]);
        HWY_UNROLL(3)
        for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
      a += a_step;
      b += b_step;
    }
  }
};

/// Calls body(V, column) over all columns: two registers at a time, or three where one would be left or where
/// four rows leave registers for them: linear and causal_linear take 10 to 21 % less so (f32, D = 64, N = 128
/// to 1024, one thread on a shared Zen 3, medians of five turns of both builds).
template <typename Body>
HWY_INLINE void for_tiles(std::int64_t columns, const Body& body) {
  for (std::int64_t column = 0; column < columns;) {
    const auto left = (columns - column) / kLanes;
    if (left == 3 || (kRows == 4 && left > 4)) {
      body(std::integral_constant<int, 3>(), column);
      column += 3 * kLanes;
    } else if (left >= 2) {
      body(std::integral_constant<int, 2>(), column);
      column += 2 * kLanes;
    } else {
      body(std::integral_constant<int, 1>(), column);
      column += kLanes;
    }
  }
}

void emit_normaliser(const Geometry& g, const float* z, Cell* to) {
  auto* out = reinterpret_cast<float*>(to);
  std::copy_n(z, g.features, out);
  std::fill_n(out + g.features, g.chunk, 1.0f);
  std::fill(out + g.features + g.chunk, out + g.row_cells, 0.0f);
}

template <typename T>
void pack_keys(const Geometry& g, const InputRows& k, const Scratch& w) {
  map_rows<T>(g, k, w.key_rows);
  if (g.chunk == 0) return;
  for (std::int64_t j = 0; j < k.count; j += 4) {
    for (std::int64_t d = 0; d < g.features; d += 4) {
      transpose(w.key_rows + j * g.row_cells + d, g.row_cells, w.transposed + d * g.chunk + j, g.chunk);
    }
  }
}

template <typename T>
Values pack_values(const Geometry& g, const InputRows& v, bool may_stay, Cell* to) {
  if constexpr (std::is_same_v<T, float>) {
    if (may_stay && g.head_dim_v == g.columns) {
      const auto* rows = static_cast<const float*>(v.data);
      for (std::int64_t i = 0; i < v.count; ++i) prefetch_row(rows + i * v.stride, v.stride, g.head_dim_v);
      return {reinterpret_cast<const Cell*>(rows), v.stride};
    }
  }
  for (std::int64_t i = 0; i < v.count; ++i) {
    const auto* row = static_cast<const T*>(v.data) + i * v.stride;
    prefetch_row(row, v.stride, g.head_dim_v);
    for (std::int64_t c = 0; c < g.columns; c += kLanes) {
      const auto left = g.head_dim_v - c;
      store(load_first(row + std::min(c, g.head_dim_v), left), to + i * g.columns + c);
    }
  }
  return {to, g.columns};
}

template <typename T>
void pack_queries(const Geometry& g, const InputRows& q, const Scratch& w) {
  map_rows<T>(g, q, w.rows);
}

void update_state(const Geometry& g, std::int64_t count, const Values& values, const State& state, bool emit,
                  const Scratch& w) {
  const D d;
  for_tiles(g.features, [&](auto vectors, std::int64_t c) {
    constexpr int V = decltype(vectors)::value;
    Vector sum[V];
    HWY_UNROLL(3)
    for (int v = 0; v < V; ++v) sum[v] = hn::LoadU(d, state.z + c + kLanes * v);
    for (std::int64_t j = 0; j < count; ++j) {
      HWY_UNROLL(3)
      for (int v = 0; v < V; ++v) {
        sum[v] = hn::Add(sum[v], load(w.key_rows + j * g.row_cells + c + kLanes * v));
      }
    }
    HWY_UNROLL(3)
    for (int v = 0; v < V; ++v) hn::StoreU(sum[v], d, state.z + c + kLanes * v);
  });
  for_tiles(g.columns, [&](auto vectors, std::int64_t column) {
    constexpr int V = decltype(vectors)::value;
    for (std::int64_t c = 0; c < g.features; c += kRows) {
      Tile<V> tile;
      float* s = state.s + c * g.columns + column;
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(3)
        for (int v = 0; v < V; ++v) tile.sum[r][v] = hn::LoadU(d, s + r * g.columns + kLanes * v);
      }
      tile.multiply(w.key_rows + c, 1, g.row_cells, values.cells + column, values.stride, count);
      Cell* operand = w.operand + c * g.columns + column;
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(3)
        for (int v = 0; v < V; ++v) {
          hn::StoreU(tile.sum[r][v], d, s + r * g.columns + kLanes * v);
          if (emit) store(tile.sum[r][v], operand + r * g.columns + kLanes * v);
        }
      }
    }
  });
  if (emit) emit_normaliser(g, state.z, w.normaliser);
}

void emit_state(const Geometry& g, const State& state, const Scratch& w) {
  std::copy_n(state.s, g.features * g.columns, reinterpret_cast<float*>(w.operand));
  emit_normaliser(g, state.z, w.normaliser);
}

void score(const Geometry& g, std::int64_t count, const Scratch& w) {
  const D d;
  for (std::int64_t i = 0; i < count; i += kRows) {
    Cell* rows = w.rows + i * g.row_cells;
    // Registers of keys that some row of the tile sees; the others hold zeros.
    const auto seen = std::min((i + kRows + kLanes - 1) / kLanes * kLanes, g.chunk);
    for_tiles(seen, [&](auto vectors, std::int64_t j) {
      constexpr int V = decltype(vectors)::value;
      Tile<V> tile;
      tile.clear();
      tile.multiply(rows, g.row_cells, 1, w.transposed + j, g.chunk, g.features);
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(3)
        for (int v = 0; v < V; ++v) {
          const auto keys = std::clamp<std::int64_t>(i + r + 1 - (j + kLanes * v), 0, kLanes);
          store(hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(keys)), tile.sum[r][v]),
                rows + r * g.row_cells + g.features + j + kLanes * v);
        }
      }
    });
    for (int r = 0; r < kRows; ++r) {
      Cell* weights = rows + r * g.row_cells + g.features;
      std::fill(weights + seen, weights + g.chunk, Cell{0});
    }
  }
}

HWY_INLINE float dot(const Cell* a, const Cell* b, std::int64_t count) {
  const D d;
  auto sum = hn::Zero(d);
  for (std::int64_t c = 0; c < count; c += kLanes) sum = hn::MulAdd(load(a + c), load(b + c), sum);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <typename T>
void attend(const Geometry& g, float eps, const OutputRows& o, const Scratch& w) {
  const D d;
  for (std::int64_t i = 0; i < o.count; i += kRows) {
    const Cell* rows = w.rows + i * g.row_cells;
    const auto count = std::min<std::int64_t>(kRows, o.count - i);
    float factors[kRows] = {};
    for (std::int64_t r = 0; r < count; ++r) {
      factors[r] = 1.0f / (dot(rows + r * g.row_cells, w.normaliser, g.row_cells) + eps);
    }
    // Rows of this tile see no key beyond its last row.
    const auto steps = g.features + (g.chunk == 0 ? 0 : i + count);
    for_tiles(g.columns, [&](auto vectors, std::int64_t column) {
      constexpr int V = decltype(vectors)::value;
      Tile<V> tile;
      tile.clear();
      tile.multiply(rows, g.row_cells, 1, w.operand + column, g.columns, steps);
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        if (r >= count) return;
        auto* out = static_cast<T*>(o.data) + (i + r) * o.stride;
        HWY_UNROLL(3)
        for (int v = 0; v < V; ++v) {
          const auto at = std::min(column + kLanes * v, g.head_dim_v);
          store_first(hn::Mul(tile.sum[r][v], hn::Set(d, factors[r])), out + at, g.head_dim_v - at);
        }
      }
    });
  }
}

template <typename T>
constexpr Ops kOps = {.per_cell = 1,
                      .element_bytes = sizeof(T),
                      .causal_chunk = kChunk,
                      .pack_keys = pack_keys<T>,
                      .pack_values = pack_values<T>,
                      .update_state = update_state,
                      .emit_state = emit_state,
                      .pack_queries = pack_queries<T>,
                      .score = score,
                      .attend = attend<T>};

const Ops* ops(DType dtype) {
  return visit(dtype, [](auto type) { return &kOps<typename decltype(type)::type>; });
}

}  // namespace attnbench::cpu::linear::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attnbench::cpu::linear {
HWY_EXPORT(ops);

const Ops& ops_portable(DType dtype) { return *HWY_DYNAMIC_DISPATCH(ops)(dtype); }

#if HWY_ARCH_X86
const Ops& ops_avx512() { return *N_AVX3::ops(DType::f32); }
#endif
}  // namespace attnbench::cpu::linear
#endif
