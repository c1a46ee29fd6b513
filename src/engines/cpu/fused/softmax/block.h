#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>

#include "attnbench/cpu_device.h"
#include "attnbench/dtype.h"

/// The unit of work of the fused softmax core, and what an instruction path must supply for it. Everything
/// that depends on the mask, on threads or on tensors is decided outside (geometry.h, execution.h); a path
/// only computes softmax(scale Q K^T + mask) V of one block over spans of keys it is handed one after
/// another.
namespace attnbench::cpu::fused {

/// Rows of a block, one a lane: 16 f32 lanes fill a 512-bit register.
inline constexpr int kHalfLanes = 16;
inline constexpr int kLanes = 2 * kHalfLanes;
/// Keys of one attend() call where a path asks for no more: P of 32 rows stays at 8 KiB (bf16), V at 16 KiB
/// for head_dim_v = 64.
inline constexpr int kTileKeys = 128;
inline constexpr int kMaxHeadDim = 256;
/// head_dim_qk and head_dim_v are multiples of this: a 16 x 16 register transpose.
inline constexpr int kHeadDimUnit = 16;
/// Spans begin at keys (counted from the span's own origin) that are multiples of this.
inline constexpr int kKeyUnit = 8;

/// Which half of a block's lanes a span of keys concerns.
enum class Halves : std::uint8_t { low = 1, high = 2, both = 3 };

/// Keys that follow each other in memory.
struct KeySpan {
  /// Packed by pack_keys() or pack_values() where the path has that, else rows of K or V; first_key's row.
  const std::byte* k = nullptr;
  std::int64_t k_stride_bytes = 0;
  std::int32_t keys_per_key_row = 1;  ///< SoftmaxPath::packed_keys where packed
  const std::byte* v = nullptr;
  std::int64_t v_stride_bytes = 0;
  std::int32_t keys_per_value_row = 1;
  std::int32_t first_key = 0;
  std::int32_t keys = 0;
  /// Keys that every lane of the halves may see; outside, Block::begin and Block::size decide.
  std::int32_t full_begin = 0;
  std::int32_t full_end = 0;
  Halves halves = Halves::both;
};

/// Rows of K or V as they stand in the tensor.
struct KeyRows {
  const std::byte* first = nullptr;
  std::int64_t stride_bytes = 0;
};

/// Up to 32 rows that read the same kv head, and the running state of their softmax.
struct Block {
  int rows = 0;
  std::int64_t head_dim_qk = 0;
  std::int64_t head_dim_v = 0;
  float scale_log2 = 0;  ///< |softmax_scale| log2(e): what a score of 1 is in powers of two
  float rise = 0;        ///< kLazyRise as a difference of scores
  float q_factor = 1;    ///< sign of softmax_scale, 0 where the scale is 0
  const std::byte* q[kLanes];
  std::int64_t q_stride_bytes = 0;  ///< between rows that are evenly spaced, else 0
  std::byte* o[kLanes];
  float* lse[kLanes];  ///< null: not wanted
  /// Where not null, finish() writes unnormalised f32 rows here ([rows][head_dim_v]) and leaves o and lse.
  float* partial = nullptr;

  /// What the next block reads and writes, for tile kernels that bring it into L2 beside their products:
  /// `ahead_q` and `ahead_o` bytes behind q[l] and o[l] (0: nothing), ahead_keys rows of K and V.
  std::int64_t ahead_q = 0;
  std::int64_t ahead_o = 0;
  KeyRows ahead_k, ahead_v;
  int ahead_keys = 0;

  /// Lane l may see key j where 0 <= j - begin[l] < size[l]; 0 for lanes without a row.
  alignas(64) std::int32_t begin[kLanes];
  alignas(64) std::int32_t size[kLanes];

  /// State. Rows sum P / sum, P = 2^((score - maximum) scale_log2), exactly 0 for keys that are hidden. A
  /// score is q k, unscaled, and so is maximum, which may trail the true one by kLazyRise: the difference
  /// comes first and is exact where it matters, while a product of large scores with the scale rounds by more
  /// than a weight may be wrong.
  alignas(64) float maximum[kLanes];
  alignas(64) float sum[kLanes];
  bool empty = true;  ///< no key yet: `output` is not initialised
  float* output = nullptr;
  std::byte* queries = nullptr;
  std::byte* weights = nullptr;
  float* scores = nullptr;
  /// Room for SoftmaxPath::attend_keys rows of V, rearranged by attend(); SoftmaxPath::decode alone has it.
  std::byte* values = nullptr;
};

/// Bytes a path may use behind Block::output, queries, weights and scores, enough for every path.
inline constexpr std::int64_t kOutputBytes = std::int64_t{kMaxHeadDim} * kLanes * 4;
inline constexpr std::int64_t kQueriesBytes = std::int64_t{kMaxHeadDim} * kLanes * 4;
inline constexpr std::int64_t kWeightsBytes = std::int64_t{kTileKeys + 8} * kLanes * 4;
inline constexpr std::int64_t kScoresBytes = std::int64_t{kTileKeys} * kLanes * 4;

/// The maximum is raised, and what was summed so far rescaled, only when a score exceeds it by this many
/// powers of two (twice as many where scores are so large that f32 has none in between); until then P <= 2^8,
/// whose relative precision is the same.
inline constexpr float kLazyRise = 8.0F;
/// Stands for minus infinity in `maximum`, where infinities would subtract to NaN.
inline constexpr float kNoMaximum = std::numeric_limits<float>::lowest();

/// Everything that a block takes from Shape::softmax_scale.
inline void set_scale(Block& block, double softmax_scale) {
  block.scale_log2 = static_cast<float>(std::abs(softmax_scale) * std::numbers::log2e);
  block.q_factor = softmax_scale > 0 ? 1.0F : softmax_scale < 0 ? -1.0F : 0.0F;
  // Hidden scores are minus infinity, which a factor of 0 would turn into NaN; q is 0 then.
  if (softmax_scale == 0) block.scale_log2 = 1;
  // Every score below 2^126 is that much above kNoMaximum.
  block.rise = std::min(kLazyRise / block.scale_log2, 0x1p126F);
}

/// log(sum of e^score) from the state of a row.
inline float natural_lse(const Block& block, float maximum, float sum) {
  return static_cast<float>((double{maximum} * double{block.scale_log2} + std::log2(double{sum})) *
                            std::numbers::ln2);
}

/// One way to compute a block: begin(), attend() over all its keys, finish().
struct BlockKernel {
  void (*begin)(Block&);
  /// At most SoftmaxPath::attend_keys keys in all, each span counted up to an even number.
  void (*attend)(Block&, std::span<const KeySpan>);
  void (*finish)(Block&);
};

/// An instruction path of the fused softmax core.
struct SoftmaxPath {
  std::string_view name;
  DType dtype;
  /// Empty, or why this CPU cannot run it.
  std::string_view (*missing)(const CpuFeatures&);
  BlockKernel tile;
  /// For blocks of at most few_rows rows (decode, last rows of a head): lanes are elements of head_dim.
  BlockKernel few;
  /// The same for calls that ask for the log-sum-exp.
  BlockKernel tile_with_lse;
  BlockKernel few_with_lse;
  int few_rows;
  /// Rearranges `keys` rows of V for the tile kernel in units of packed_keys keys, keys missing in the last
  /// unit 0: units of head_dim_v * packed_keys elements follow each other. Null: V is read in place.
  void (*pack_values)(const std::byte* v, std::int64_t stride_bytes, std::int64_t keys,
                      std::int64_t head_dim_v, std::byte* packed) = nullptr;
  /// Of a packed unit, which begins at a multiple of as many keys.
  int packed_keys = 1;
  /// The same of K, where V is packed too: units of head_dim_qk, rounded up to key_elements, * packed_keys
  /// elements. Null: K is read in place.
  void (*pack_keys)(const std::byte* k, std::int64_t stride_bytes, std::int64_t keys,
                    std::int64_t head_dim_qk, std::byte* packed) = nullptr;
  int key_elements = 1;
  int attend_keys = kTileKeys;
  /// Blocks of rows that go through long K and V together, a part of the keys at a time.
  int blocks_at_once = 1;
  /// Called by a thread before and after its blocks of a call. May be null.
  void (*enter)() = nullptr;
  void (*leave)() = nullptr;
  /// The tile kernel reads Block::ahead_keys and its neighbours.
  bool looks_ahead = true;
  /// For heads whose keys few rows read (decode of several queries): K and V are read in place. Such heads
  /// have at most decode_rows rows, 0 where a path has no such kernel, and their blocks at least
  /// decode_block_rows.
  BlockKernel decode = {};
  BlockKernel decode_with_lse = {};
  int decode_block_rows = 0;
  int decode_rows = 0;
};

/// Which of a path's kernels computes a block.
enum class Way : std::uint8_t { tile, few, decode };

/// Keys read for each row of a head from which SoftmaxPath::decode may have a block. Not tuned: 256 for each
/// row and more were measured.
inline constexpr std::int64_t kDecodeKeys = 8;

inline Way way_of(const SoftmaxPath& path, std::int64_t block_rows, std::int64_t head_rows,
                  std::int64_t keys_read) {
  const bool decodes = head_rows <= path.decode_rows && head_rows * kDecodeKeys <= keys_read;
  if (decodes && block_rows >= path.decode_block_rows) return Way::decode;
  return block_rows <= path.few_rows ? Way::few : Way::tile;
}

}  // namespace attnbench::cpu::fused
