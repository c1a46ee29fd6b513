// How a problem is cut into parts, how much of it runs together, and the memory that needs.
#include <algorithm>
#include <numeric>

#include "engines/cpu/fused/softmax/execution.h"
#include "engines/cpu/fused/softmax/rows.h"

namespace attnbench::cpu::fused {
namespace {

/// Multiply-adds below which a fork-join costs more than a second thread brings.
constexpr std::int64_t kSerialWork = std::int64_t{3} << 19;
/// A split block's part has at least this many keys.
constexpr std::int64_t kPartKeys = 512;

/// Fewest packed keys worth sliding over: at the end of the buffer a block's keys are packed again.
constexpr std::int64_t kPackedKeys = 1024;

/// Bytes of K and V of a head from which blocks go through them together (SoftmaxPath::blocks_at_once): with
/// less, they stay in an L2 of 2 MiB from one block to the next. And those of a chunk. Shares of the AMX
/// ceiling, one core of a Xeon, mha N = 4096, D = 128: a block at a time 30 to 36 %, four 33 to 41 %, eight
/// 42 to 45 %. So do the blocks of a head whose keys are split: each part is packed once by most threads.
/// Decode of 12 and 16 queries over 8192 keys (32 heads, 8 kv heads, D = 128, 14 cores of a Xeon,
/// `bench_decode`): 1.67 to 1.70 and 1.44 times the floor, where 1.84 to 2.08 and 1.49 to 1.70 block by
/// block.
constexpr std::int64_t kLongHead = std::int64_t{1} << 20;
constexpr std::int64_t kChunk = std::int64_t{1} << 18;

}  // namespace

SoftmaxExecution::SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const CpuDevice& device)
    : SoftmaxExecution(path, problem, device, true) {}

SoftmaxExecution::SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const CpuDevice& device,
                                   bool allocate)
    : path_(path), problem_(problem), group_(problem.shape.num_q_heads / problem.mechanism.num_kv_heads) {
  const auto& s = problem_.shape;
  const auto& m = problem_.mechanism;
  const HeadGeometry head(m, group_, s.seqlen_q, s.seqlen_kv);
  const auto heads = s.batch * m.num_kv_heads;
  const auto cost = heads * head.total_cost();
  const auto work = cost * kLanes * (s.head_dim_qk + s.head_dim_v);
  threads_ = work < kSerialWork ? 1 : device.threads;

  const auto blocks = heads * std::max<std::int64_t>(head.blocks(), 1);
  if (blocks < 4 * threads_) {
    const auto even = threads_ / std::gcd(blocks, std::int64_t{threads_});
    const auto enough = (4 * threads_ + blocks - 1) / blocks;
    const auto longest = s.seqlen_kv / kPartKeys;
    parts_ = static_cast<int>(std::max<std::int64_t>(1, std::min({even, enough, longest})));
  }
  if (parts_ > 1) {
    const auto rows = group_ * s.seqlen_q;
    const auto most_blocks = heads * (round_up(rows, kLanes) / kLanes + 1);
    partials_ = workspace_.reserve(most_blocks * parts_ * kLanes * (s.head_dim_v + 2) * 4);
  }

  const auto key_bytes = (s.head_dim_qk + s.head_dim_v) * size_bytes(path_.dtype);
  windowed_ = m.kind == MechanismKind::swa || m.kind == MechanismKind::block_sparse;
  if (path_.blocks_at_once > 1 && !windowed_ && (parts_ > 1 || s.seqlen_kv * key_bytes >= kLongHead)) {
    blocks_at_once_ = path_.blocks_at_once;
    chunk_keys_ = kChunk / key_bytes / kTileKeys * kTileKeys;
  }

  const auto running = threads_ * blocks_at_once_;
  output_ = ThreadParts(workspace_, running, kLanes * s.head_dim_v * 4);
  queries_ = ThreadParts(workspace_, running, kQueriesBytes);
  weights_ = ThreadParts(workspace_, running, kWeightsBytes);
  scores_ = ThreadParts(workspace_, running, kScoresBytes);
  if (has_decode_blocks()) {
    const auto units = path_.attend_keys / path_.packed_keys;
    decode_values_ = ThreadParts(workspace_, threads_, units * value_unit_bytes());
  }
  if (path_.pack_values != nullptr) {
    // The local keys of any block of rows that are not global; global rows see all keys. Longer ones of
    // decode are not packed.
    const auto widest = m.kind == MechanismKind::swa ? std::min(m.window, s.seqlen_kv) + 4 * kLanes
                        : m.kind == MechanismKind::block_sparse
                            ? 2 * std::min(m.block_size, s.seqlen_kv) + 4 * kLanes
                        : head.rows() <= path_.decode_rows ? std::min(kDecodeKeys * head.rows(), s.seqlen_kv)
                                                           : s.seqlen_kv;
    const std::int64_t unit = std::max(kKeyUnit, path_.packed_keys);
    const bool dense_rows = std::min(m.globals, s.seqlen_kv) * group_ > path_.few_rows;
    const auto all = round_up(s.seqlen_kv, unit);
    packed_keys_ = dense_rows ? all : std::min(all, std::max(round_up(widest, unit), kPackedKeys));
    const auto units = packed_keys_ / path_.packed_keys;
    const auto global_units = round_up(std::min(m.globals, s.seqlen_kv), unit) / path_.packed_keys;
    values_ = ThreadParts(workspace_, threads_, units * value_unit_bytes());
    global_values_ = ThreadParts(workspace_, threads_, global_units * value_unit_bytes());
    if (path_.pack_keys != nullptr) {
      keys_ = ThreadParts(workspace_, threads_, units * key_unit_bytes());
      global_keys_ = ThreadParts(workspace_, threads_, global_units * key_unit_bytes());
    }
  }
  if (!allocate) return;
  workspace_.allocate();
  head_costs_.resize(static_cast<std::size_t>(s.batch));
  workers_.resize(static_cast<std::size_t>(threads_));
  bind_workers();
}

std::int64_t SoftmaxExecution::planned_bytes(const SoftmaxPath& path, const Problem& problem,
                                             const CpuDevice& device) {
  return SoftmaxExecution(path, problem, device, false).workspace_bytes();
}

void SoftmaxExecution::bind_workers() {
  const auto& s = problem_.shape;
  for (int thread = 0; thread < threads_; ++thread) {
    auto& worker = workers_[static_cast<std::size_t>(thread)];
    worker.running.resize(static_cast<std::size_t>(blocks_at_once_));
    for (int n = 0; n < blocks_at_once_; ++n) {
      auto& block = worker.running[static_cast<std::size_t>(n)].block;
      const int number = thread * blocks_at_once_ + n;
      block.head_dim_qk = s.head_dim_qk;
      block.head_dim_v = s.head_dim_v;
      set_scale(block, s.softmax_scale);
      block.output = output_.at<float>(workspace_, number);
      block.queries = queries_.at<std::byte>(workspace_, number);
      block.weights = weights_.at<std::byte>(workspace_, number);
      block.scores = scores_.at<float>(workspace_, number);
      if (has_decode_blocks()) block.values = decode_values_.at<std::byte>(workspace_, thread);
      // Weights are made of whole tiles, also where no product wrote one: what is there can change how the
      // others are rounded, and must not depend on what the memory held before.
      std::fill_n(block.scores, kScoresBytes / 4, 0.0F);
    }
    if (path_.pack_values != nullptr) {
      worker.packed_v = {values_.at<std::byte>(workspace_, thread),
                         global_values_.at<std::byte>(workspace_, thread)};
    }
    if (path_.pack_keys != nullptr) {
      worker.packed_k = {keys_.at<std::byte>(workspace_, thread),
                         global_keys_.at<std::byte>(workspace_, thread)};
    }
  }
}

bool SoftmaxExecution::has_decode_blocks() const {
  const auto rows = problem_.shape.seqlen_q * group_;
  return rows >= path_.decode_block_rows && rows <= path_.decode_rows;
}

std::int64_t SoftmaxExecution::key_unit_bytes() const {
  return round_up(problem_.shape.head_dim_qk, path_.key_elements) * path_.packed_keys *
         size_bytes(path_.dtype);
}

std::int64_t SoftmaxExecution::value_unit_bytes() const {
  return problem_.shape.head_dim_v * path_.packed_keys * size_bytes(path_.dtype);
}

}  // namespace attnbench::cpu::fused
