// K and V are packed by the thread that needs them, ahead of its blocks and once a kv head: no barrier,
// and a window's packed rows stay in cache. In windows and block-sparse each block brings the rows of Q, K, V
// and O of the next one into L2, a share beside every eighth of its products with V. Against dense, Zen 4,
// one core, bf16, D = 64, N = 1024 / 8192: swa(w=64) 8.1 to 9.3 / 57 to 59 times faster without, 9.9 to 10.0
// / 76 to 78 with; block_sparse(32, 1) 16 to 17 / 90 to 100 without, 19 to 20 / 122 to 130 with. All at once
// ahead of the block it gained nothing there, nor on the AMX path of a Xeon (N = 1024: swa(w=64) 3.4 times
// faster where 3.7 without; N = 8192: 28 to 29 where 25 to 27).
#include "engines/cpu/fused/softmax/execution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "engines/cpu/fused/softmax/feeder.h"
#include "engines/cpu/fused/softmax/spans.h"

namespace attnbench::cpu::fused {
namespace {

/// Multiply-adds below which a fork-join costs more than a second thread brings.
constexpr std::int64_t kSerialWork = std::int64_t{3} << 19;
/// A split block's part has at least this many keys.
constexpr std::int64_t kPartKeys = 512;

/// Keys that global rows go through at a time, ahead of the local blocks that find them packed.
constexpr std::int64_t kGlobalKeys = 256;

/// Fewest packed keys worth sliding over: at the end of the buffer a block's keys are packed again.
constexpr std::int64_t kPackedKeys = 1024;

/// Bytes of K and V of a head from which blocks go through them together (SoftmaxPath::blocks_at_once): with
/// less, they stay in an L2 of 2 MiB from one block to the next. And those of a chunk. Shares of the AMX
/// ceiling, one core of a Xeon, mha N = 4096, D = 128: a block at a time 30 to 36 %, four 33 to 41 %, eight
/// 42 to 45 %.
constexpr std::int64_t kLongHead = std::int64_t{1} << 20;
constexpr std::int64_t kChunk = std::int64_t{1} << 18;

/// Rows of one batch entry of a view, by byte addresses.
class Rows {
 public:
  Rows(const TensorView& view, std::int64_t batch)
      : element_(size_bytes(view.dtype)),
        head_stride_(view.strides[1] * element_),
        row_stride_(view.strides[2] * element_),
        data_(static_cast<std::byte*>(view.data) + batch * view.strides[0] * element_) {}
  std::byte* at(std::int64_t head, std::int64_t row) const {
    return data_ + head * head_stride_ + row * row_stride_;
  }
  std::int64_t stride() const { return row_stride_; }

 private:
  std::int64_t element_, head_stride_, row_stride_;
  std::byte* data_;
};

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Global rows so few that keys would not be packed for them alone go through those packed for the local
/// blocks, a chunk ahead of them: K and V are read once, and by the tile kernel.
bool runs_globals_along(const SoftmaxPath& path, const Problem& problem) {
  const auto& m = problem.mechanism;
  const auto rows = m.globals * (problem.shape.num_q_heads / m.num_kv_heads);
  return path.pack_keys != nullptr && rows > 0 && rows <= path.few_rows;
}

}  // namespace

SoftmaxExecution::SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const Device& device)
    : SoftmaxExecution(path, problem, device, true) {}

SoftmaxExecution::SoftmaxExecution(const SoftmaxPath& path, const Problem& problem, const Device& device,
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
  if (parts_ == 1 && !windowed_ && s.seqlen_kv * key_bytes >= kLongHead) {
    blocks_at_once_ = path_.blocks_at_once;
    chunk_keys_ = kChunk / key_bytes / kTileKeys * kTileKeys;
  }

  const auto running = threads_ * running_blocks();
  output_ = ThreadParts(workspace_, running, kLanes * s.head_dim_v * 4);
  queries_ = ThreadParts(workspace_, running, kQueriesBytes);
  weights_ = ThreadParts(workspace_, running, kWeightsBytes);
  scores_ = ThreadParts(workspace_, running, kScoresBytes);
  if (path_.pack_values != nullptr) {
    // The local keys of any block of rows that are not global; global rows see all keys.
    const auto widest = m.kind == MechanismKind::swa            ? m.window + 4 * kLanes
                        : m.kind == MechanismKind::block_sparse ? 2 * m.block_size + 4 * kLanes
                                                                : s.seqlen_kv;
    const std::int64_t unit = std::max(kKeyUnit, path_.packed_keys);
    const bool dense_rows = m.globals * group_ > path_.few_rows;
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

int SoftmaxExecution::running_blocks() const {
  return blocks_at_once_ + (runs_globals_along(path_, problem_) ? 1 : 0);
}

std::int64_t SoftmaxExecution::planned_bytes(const SoftmaxPath& path, const Problem& problem,
                                             const Device& device) {
  return SoftmaxExecution(path, problem, device, false).workspace_bytes();
}

void SoftmaxExecution::bind_workers() {
  const auto& s = problem_.shape;
  for (int thread = 0; thread < threads_; ++thread) {
    auto& worker = workers_[static_cast<std::size_t>(thread)];
    worker.running.resize(static_cast<std::size_t>(running_blocks()));
    for (int n = 0; n < running_blocks(); ++n) {
      auto& block = worker.running[static_cast<std::size_t>(n)].block;
      const int number = thread * running_blocks() + n;
      block.head_dim_qk = s.head_dim_qk;
      block.head_dim_v = s.head_dim_v;
      block.scale_log2 = static_cast<float>(std::abs(s.softmax_scale) * std::numbers::log2e);
      block.q_factor = s.softmax_scale > 0 ? 1.0F : s.softmax_scale < 0 ? -1.0F : 0.0F;
      // Hidden scores are minus infinity, which a factor of 0 would turn into NaN; q is 0 then.
      if (block.scale_log2 == 0) block.scale_log2 = 1;
      block.output = output_.at<float>(workspace_, number);
      block.queries = queries_.at<std::byte>(workspace_, number);
      block.weights = weights_.at<std::byte>(workspace_, number);
      block.scores = scores_.at<float>(workspace_, number);
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

HeadGeometry SoftmaxExecution::geometry(const Tensors& tensors, std::int64_t batch) const {
  const auto& s = problem_.shape;
  auto keys = tensors.k.sizes[2];
  if (!s.seqlens_kv.empty()) keys = std::min(keys, s.seqlens_kv[static_cast<std::size_t>(batch)]);
  return {problem_.mechanism, group_, s.seqlen_q, keys};
}

template <typename Wanted, typename Visit>
void SoftmaxExecution::for_each_block(const Tensors& tensors, Wanted&& wanted, Visit&& visit) const {
  Item item;
  for (item.batch = 0; item.batch < problem_.shape.batch; ++item.batch) {
    const auto head = geometry(tensors, item.batch);
    for (item.kv_head = 0; item.kv_head < problem_.mechanism.num_kv_heads; ++item.kv_head) {
      if (!wanted(item.batch)) {
        item.number += head.blocks();
        continue;
      }
      for (item.begin = head.first_row(); item.begin < head.rows(); item.begin = item.end, ++item.number) {
        item.end = head.block_end(item.begin);
        visit(head, item);
      }
    }
  }
}

void SoftmaxExecution::enqueue(const Tensors& tensors, Queue&) {
  clear_rows_without_keys(tensors);
  std::int64_t cost = 0;
  for (std::int64_t b = 0; b < problem_.shape.batch; ++b) {
    auto& head_cost = head_costs_[static_cast<std::size_t>(b)];
    head_cost = threads_ == 1 ? 1 : geometry(tensors, b).total_cost() * parts_;
    cost += head_cost * problem_.mechanism.num_kv_heads;
  }
  parallel_for(threads_, threads_, [&](std::int64_t share, std::int64_t, int) {
    run_share(tensors, cost * share / threads_, cost * (share + 1) / threads_,
              workers_[static_cast<std::size_t>(share)]);
  });
  if (parts_ == 1) return;
  parallel_for(threads_, threads_, [&](std::int64_t share, std::int64_t, int) {
    const auto all = [](std::int64_t) { return true; };
    for_each_block(tensors, all, [&](const HeadGeometry& head, const Item& item) {
      if (item.number % threads_ == share) merge(tensors, head, item);
    });
  });
}

void SoftmaxExecution::clear_rows_without_keys(const Tensors& tensors) const {
  for (std::int64_t b = 0; b < problem_.shape.batch; ++b) {
    const auto head = geometry(tensors, b);
    const auto queries = head.query(head.first_row());
    for (std::int64_t h = 0; h < problem_.shape.num_q_heads; ++h) {
      for (std::int64_t i = 0; i < queries; ++i) {
        std::fill_n(Rows(tensors.o, b).at(h, i), problem_.shape.head_dim_v * size_bytes(path_.dtype),
                    std::byte{0});
        if (tensors.lse) *tensors.lse.row<float>(b, h, i) = -std::numeric_limits<float>::infinity();
      }
    }
  }
}

void SoftmaxExecution::run_share(const Tensors& tensors, std::int64_t begin, std::int64_t end,
                                 Worker& worker) {
  worker.packed_batch = -1;  // V may have changed since the last call
  if (path_.enter != nullptr) path_.enter();
  const bool along = parts_ == 1 && !tensors.lse && runs_globals_along(path_, problem_);
  worker.global_keys = -1;
  std::int64_t at = 0;
  const auto wanted = [&](std::int64_t batch) {
    const auto head_cost = head_costs_[static_cast<std::size_t>(batch)];
    if (at + head_cost > begin && at < end) return true;
    at += head_cost;
    return false;
  };
  for_each_block(tensors, wanted, [&](const HeadGeometry& head, const Item& item) {
    const auto cost = threads_ > 1 ? head.cost(item.begin, item.end) : 0;
    if (blocks_at_once_ > 1) {
      if (at >= begin && at < end) {
        open(tensors, head, item, 0, worker.running[static_cast<std::size_t>(worker.opened++)]);
      }
      at += cost;
      if (worker.opened == blocks_at_once_ || item.end == head.rows() || at >= end) {
        run_opened(tensors, head, worker);
      }
      return;
    }
    const bool global = along && head.is_global(item.begin);
    if (global && at >= begin && at < end) {
      close_globals(tensors, head, worker);
      open(tensors, head, item, 0, worker.running.back(), true);
      worker.global_keys = 0;
    }
    for (int part = 0; part < parts_; ++part, at += cost) {
      if (global || at < begin || at >= end) continue;
      run_globals(tensors, head, head.allowed(item.end - 1).local.end, worker);
      run_part(tensors, head, item, part, worker);
    }
    if (item.end == head.rows() || at >= end) close_globals(tensors, head, worker);
  });
  if (path_.leave != nullptr) path_.leave();
}

void SoftmaxExecution::run_globals(const Tensors& tensors, const HeadGeometry& head, std::int64_t end,
                                   Worker& worker) const {
  while (worker.global_keys >= 0 && worker.global_keys < end) {
    const auto next = std::min(worker.global_keys + kGlobalKeys, head.keys());
    feed(tensors, head, worker.running.back(), {}, {worker.global_keys, next}, worker);
    worker.global_keys = next;
  }
}

void SoftmaxExecution::close_globals(const Tensors& tensors, const HeadGeometry& head, Worker& worker) const {
  if (worker.global_keys < 0) return;
  run_globals(tensors, head, head.keys(), worker);
  close(worker.running.back());
  worker.global_keys = -1;
}

void SoftmaxExecution::run_part(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
                                Worker& worker) {
  auto& running = worker.running.front();
  open(tensors, head, item, part, running);
  const bool has_globals = part == 0 && problem_.mechanism.globals > 0;
  const auto globals = has_globals ? head.allowed(item.begin).globals : KeyRange{};
  const auto within =
      parts_ == 1 ? KeyRange{0, head.keys()} : part_of_keys(head, item.begin, item.end, part, parts_);
  feed(tensors, head, running, globals, within, worker);
  close(running);
}

void SoftmaxExecution::run_opened(const Tensors& tensors, const HeadGeometry& head, Worker& worker) {
  const std::span opened(worker.running.data(), static_cast<std::size_t>(std::exchange(worker.opened, 0)));
  for (std::int64_t key = 0; key < head.keys() && !opened.empty(); key += chunk_keys_) {
    for (auto& running : opened) {
      const auto globals = key == 0 ? head.allowed(running.item.begin).globals : KeyRange{};
      feed(tensors, head, running, globals, {key, std::min(key + chunk_keys_, head.keys())}, worker);
    }
  }
  for (auto& running : opened) close(running);
}

void SoftmaxExecution::open(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
                            Running& running, bool packed) const {
  auto& block = running.block;
  bind_rows(tensors, head, item, block);
  block.partial = parts_ > 1 ? partial(item, part) : nullptr;
  const bool with_lse = block.lse[0] != nullptr;
  running.item = item;
  running.few = !packed && block.rows <= path_.few_rows;
  running.has_masks = false;
  running.kernel = running.few ? (with_lse ? &path_.few_with_lse : &path_.few)
                               : (with_lse ? &path_.tile_with_lse : &path_.tile);
  running.kernel->begin(block);
  look_ahead(tensors, head, item, block);
}

void SoftmaxExecution::look_ahead(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                                  Block& block) const {
  block.ahead_keys = 0;
  block.ahead_q = 0;
  if (!path_.looks_ahead || !windowed_ || item.end >= head.rows()) return;
  const auto next_end = head.block_end(item.end);
  const auto begin = head.allowed(item.end - 1).local.end;
  const auto end = head.allowed(next_end - 1).local.end;
  if (end > begin) {
    const Rows k(tensors.k, item.batch);
    const Rows v(tensors.v, item.batch);
    block.ahead_keys = static_cast<int>(end - begin);
    block.ahead_k = {k.at(item.kv_head, begin), k.stride()};
    block.ahead_v = {v.at(item.kv_head, begin), v.stride()};
  }
  const bool same_lanes = kLanes % group_ == 0 && next_end - item.end == block.rows;
  const auto queries = block.rows / group_;
  block.ahead_q = same_lanes ? queries * Rows(tensors.q, item.batch).stride() : 0;
  block.ahead_o = queries * Rows(tensors.o, item.batch).stride();
}

void SoftmaxExecution::feed(const Tensors& tensors, const HeadGeometry& head, Running& running,
                            KeyRange globals, KeyRange within, Worker& worker) const {
  auto& block = running.block;
  const auto& item = running.item;
  const bool few = running.few;
  const auto pieces =
      few ? whole_piece(head, item.begin, item.end, within) : cut_pieces(head, item.begin, item.end, within);
  const bool packed = !few && path_.pack_values != nullptr;
  if (!running.has_masks && !pieces.all_full()) {
    bind_masks(head, item, block);
    running.has_masks = true;
  }
  if (packed) pack(tensors, head, item, pieces.keys(), worker);

  const Rows k(tensors.k, item.batch);
  const Rows v(tensors.v, item.batch);
  // Written in place: a copy of fields just written, in wider pieces, waits for them.
  const auto bind_span = [&](KeySpan& span, const Piece& piece, const std::byte* packed_k,
                             const std::byte* packed_v, std::int64_t origin) {
    const auto key = piece.keys.begin;
    span.k = k.at(item.kv_head, key);
    span.k_stride_bytes = k.stride();
    span.v = v.at(item.kv_head, key);
    span.v_stride_bytes = v.stride();
    if (packed) {
      const auto unit = (key - origin) / path_.packed_keys;
      span.v_stride_bytes = value_unit_bytes();
      span.v = packed_v + unit * span.v_stride_bytes;
      span.keys_per_value_row = path_.packed_keys;
      if (path_.pack_keys != nullptr) {
        span.k_stride_bytes = key_unit_bytes();
        span.k = packed_k + unit * span.k_stride_bytes;
        span.keys_per_key_row = path_.packed_keys;
      }
    }
    span.first_key = static_cast<std::int32_t>(key);
    span.keys = static_cast<std::int32_t>(piece.keys.size());
    span.full_begin = static_cast<std::int32_t>(piece.full.begin);
    span.full_end = static_cast<std::int32_t>(piece.full.end);
    span.halves = piece.halves;
  };
  KeySpan spans[1 + std::tuple_size_v<decltype(pieces.piece)>];
  std::size_t count = 0;
  std::int64_t keys = 0;
  if (globals.size() > 0) {
    const auto halves = block.rows > kHalfLanes ? Halves::both : Halves::low;
    bind_span(spans[count++], {globals, globals, halves}, worker.packed_k.globals, worker.packed_v.globals,
              0);
    keys = round_up(globals.size(), 2);
  }
  for (const auto& piece : pieces.view()) {
    bind_span(spans[count++], piece, worker.packed_k.local, worker.packed_v.local, worker.packed_keys.begin);
    keys += round_up(piece.keys.size(), 2);
  }
  if (keys <= path_.attend_keys) {
    if (count > 0) running.kernel->attend(block, {spans, count});
    return;
  }
  Feeder feeder(*running.kernel, block, path_.attend_keys);
  for (const auto& span : std::span(spans, count)) feeder.add(span);
  feeder.flush();
}

void SoftmaxExecution::close(Running& running) const {
  auto& block = running.block;
  if (!block.empty) running.kernel->finish(block);
  if (block.partial != nullptr) {
    auto* state = block.partial + kLanes * problem_.shape.head_dim_v;
    std::copy_n(block.maximum, kLanes, state);
    std::copy_n(block.sum, kLanes, state + kLanes);
  }
}

void SoftmaxExecution::bind_rows(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                                 Block& block) const {
  const Rows q(tensors.q, item.batch);
  const Rows o(tensors.o, item.batch);
  block.rows = static_cast<int>(item.end - item.begin);
  block.q_stride_bytes = group_ == 1 ? q.stride() : 0;
  if (group_ == 1 && !tensors.lse) {
    const auto* first_q = q.at(item.kv_head, item.begin);
    auto* first_o = o.at(item.kv_head, item.begin);
    for (int lane = 0; lane < block.rows; ++lane) {
      block.q[lane] = first_q + lane * q.stride();
      block.o[lane] = first_o + lane * o.stride();
      block.lse[lane] = nullptr;
    }
    return;
  }
  auto query = head.query(item.begin);
  auto in_group = item.begin - query * group_;
  for (int lane = 0; lane < block.rows; ++lane) {
    const auto h = item.kv_head * group_ + in_group;
    block.q[lane] = q.at(h, query);
    block.o[lane] = o.at(h, query);
    block.lse[lane] = tensors.lse ? tensors.lse.row<float>(item.batch, h, query) : nullptr;
    if (++in_group == group_) {
      in_group = 0;
      ++query;
    }
  }
}

void SoftmaxExecution::bind_masks(const HeadGeometry& head, const Item& item, Block& block) const {
  const auto first_query = head.query(item.begin);
  const auto first = head.allowed(item.begin).local;
  const auto last = head.allowed(item.end - 1).local;
  const auto steps = head.query(item.end - 1) - first_query;
  // A bound that is the same at both ends of the block stays; but for blocks of keys, none moves by more than
  // one key a query, so that it moves evenly where it does so in all. Asking for each row took a good part of
  // a window's block.
  const auto even = [&](std::int64_t from, std::int64_t to) {
    return to == from || (to - from == steps && problem_.mechanism.kind != MechanismKind::block_sparse);
  };
  if (even(first.begin, last.begin) && even(first.end, last.end)) {
    const auto begin_step = static_cast<std::int32_t>(last.begin != first.begin);
    const auto size_step = static_cast<std::int32_t>(last.end != first.end) - begin_step;
    const auto begin = static_cast<std::int32_t>(first.begin);
    const auto size = static_cast<std::int32_t>(first.size());
    if (group_ == 1) {
      for (std::int32_t lane = 0; lane < kLanes; ++lane) {
        block.begin[lane] = begin + lane * begin_step;
        block.size[lane] = size + lane * size_step;
      }
    } else {
      for (int lane = 0; lane < block.rows; ++lane) {
        const auto step = static_cast<std::int32_t>(head.query(item.begin + lane) - first_query);
        block.begin[lane] = begin + step * begin_step;
        block.size[lane] = size + step * size_step;
      }
    }
  } else {
    std::int64_t query = -1;
    KeyRange local;
    for (int lane = 0; lane < block.rows; ++lane) {
      const auto row = item.begin + lane;
      if (head.query(row) != query) {
        query = head.query(row);
        local = head.allowed(row).local;
      }
      block.begin[lane] = static_cast<std::int32_t>(local.begin);
      block.size[lane] = static_cast<std::int32_t>(local.size());
    }
  }
  std::fill(block.begin + block.rows, block.begin + kLanes, 0);
  std::fill(block.size + block.rows, block.size + kLanes, 0);
}

std::int64_t SoftmaxExecution::key_unit_bytes() const {
  return round_up(problem_.shape.head_dim_qk, path_.key_elements) * path_.packed_keys *
         size_bytes(path_.dtype);
}

std::int64_t SoftmaxExecution::value_unit_bytes() const {
  return problem_.shape.head_dim_v * path_.packed_keys * size_bytes(path_.dtype);
}

void SoftmaxExecution::pack(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                            KeyRange local, Worker& worker) const {
  const auto& s = problem_.shape;
  const Rows k(tensors.k, item.batch);
  const Rows v(tensors.v, item.batch);
  const auto pack_rows = [&](KeyRange keys, std::byte* packed_k, std::byte* packed_v, std::int64_t origin) {
    const auto unit = (keys.begin - origin) / path_.packed_keys;
    path_.pack_values(v.at(item.kv_head, keys.begin), v.stride(), keys.size(), s.head_dim_v,
                      packed_v + unit * value_unit_bytes());
    if (path_.pack_keys == nullptr) return;
    path_.pack_keys(k.at(item.kv_head, keys.begin), k.stride(), keys.size(), s.head_dim_qk,
                    packed_k + unit * key_unit_bytes());
  };
  const bool new_head = worker.packed_batch != item.batch || worker.packed_kv_head != item.kv_head;
  auto& keys = worker.packed_keys;
  if (new_head) {
    const auto globals = std::min(problem_.mechanism.globals, head.keys());
    pack_rows({0, globals}, worker.packed_k.globals, worker.packed_v.globals, 0);
    worker.packed_batch = item.batch;
    worker.packed_kv_head = item.kv_head;
  }
  if (local.size() == 0) {
    if (new_head) keys = {};
    return;
  }
  const auto begin = local.begin / path_.packed_keys * path_.packed_keys;
  const auto end = std::min(round_up(local.end, path_.packed_keys), head.keys());
  if (new_head || begin < keys.begin || begin >= keys.end || end - keys.begin > packed_keys_) {
    keys = {begin, begin};
  }
  if (end <= keys.end) return;
  pack_rows({keys.end, end}, worker.packed_k.local, worker.packed_v.local, keys.begin);
  keys.end = end;
}

float* SoftmaxExecution::partial(const Item& item, int part) const {
  const auto size = kLanes * (problem_.shape.head_dim_v + 2);
  return workspace_.at<float>(partials_) + (item.number * parts_ + part) * size;
}

void SoftmaxExecution::merge(const Tensors& tensors, const HeadGeometry& head, const Item& item) const {
  const auto head_dim = problem_.shape.head_dim_v;
  for (auto row = item.begin; row < item.end; ++row) {
    const auto lane = row - item.begin;
    const auto state = [&](int part) { return partial(item, part) + kLanes * head_dim + lane; };
    float maximum = kNoMaximum;
    for (int part = 0; part < parts_; ++part) maximum = std::max(maximum, *state(part));
    std::array<float, kMaxHeadDim> o{};
    float sum = 0;
    for (int part = 0; part < parts_; ++part) {
      const float part_sum = state(part)[kLanes];
      if (part_sum == 0) continue;
      const float weight = std::exp2(*state(part) - maximum);
      const float* values = partial(item, part) + lane * head_dim;
      sum += weight * part_sum;
      for (std::int64_t d = 0; d < head_dim; ++d) o[static_cast<std::size_t>(d)] += weight * values[d];
    }
    const auto query = head.query(row);
    const auto h = item.kv_head * group_ + row - query * group_;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      const float value = o[static_cast<std::size_t>(d)] / sum;
      if (path_.dtype == DType::f32) {
        tensors.o.row<float>(item.batch, h, query)[d] = value;
      } else {
        tensors.o.row<bf16_bits>(item.batch, h, query)[d] = bf16_from_float(value);
      }
    }
    if (tensors.lse) *tensors.lse.row<float>(item.batch, h, query) = natural_lse(maximum, sum);
  }
}

double executed_softmax_flops(const SoftmaxPath& path, const Problem& problem) {
  const auto& s = problem.shape;
  const auto& m = problem.mechanism;
  const auto group = s.num_q_heads / m.num_kv_heads;
  double scores = 0;
  for (std::int64_t b = 0; b < s.batch; ++b) {
    const auto keys = s.seqlens_kv.empty() ? s.seqlen_kv : s.seqlens_kv[static_cast<std::size_t>(b)];
    const HeadGeometry head(m, group, s.seqlen_q, keys);
    for (auto row = head.first_row(); row < head.rows();) {
      const auto end = head.block_end(row);
      const bool along = head.is_global(row) && runs_globals_along(path, problem);
      const bool few = end - row <= path.few_rows && !along;
      const auto globals = head.allowed(row).globals.size();
      const KeyRange all{0, keys};
      const auto lanes_used = few ? end - row : end - row > kHalfLanes ? kLanes : kHalfLanes;
      if (!few && path.packed_keys > kKeyUnit) {  // units of keys are multiplied whole
        const auto local = whole_piece(head, row, end, all).keys();
        const auto begin = local.begin / path.packed_keys * path.packed_keys;
        const auto read = round_up(globals, path.packed_keys) + round_up(local.end, path.packed_keys) - begin;
        scores += static_cast<double>(read * lanes_used);
        row = end;
        continue;
      }
      scores += static_cast<double>(globals * lanes_used);
      const auto pieces = few ? whole_piece(head, row, end, all) : cut_pieces(head, row, end, all);
      for (const auto& piece : pieces.view()) {
        const auto lanes = few ? end - row : piece.halves == Halves::both ? kLanes : kHalfLanes;
        scores += static_cast<double>(piece.keys.size() * lanes);
      }
      row = end;
    }
  }
  return scores * static_cast<double>(m.num_kv_heads * 2 * (s.head_dim_qk + s.head_dim_v));
}

}  // namespace attnbench::cpu::fused
