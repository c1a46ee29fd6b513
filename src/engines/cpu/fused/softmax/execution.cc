// K and V are packed by the thread that needs them, ahead of its blocks and once a kv head: no barrier, and a
// window's packed rows stay in cache.
#include "engines/cpu/fused/softmax/execution.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <tuple>
#include <utility>

#include "core/parallel.h"
#include "engines/cpu/fused/softmax/feeder.h"
#include "engines/cpu/fused/softmax/rows.h"
#include "engines/cpu/fused/softmax/spans.h"

namespace attnbench::cpu::fused {

HeadGeometry SoftmaxExecution::geometry(const Tensors& tensors, std::int64_t batch) const {
  const auto& s = problem_.shape;
  auto keys = tensors[Role::k].sizes[2];
  if (!s.seqlens_kv.empty()) keys = std::min(keys, s.seqlens_kv[static_cast<std::size_t>(batch)]);
  return {problem_.mechanism, group_, s.seqlen_q, keys};
}

template <typename Wanted, typename Visit>
void SoftmaxExecution::for_each_head(const Tensors& tensors, Wanted&& wanted, Visit&& visit) const {
  Item first;
  for (first.batch = 0; first.batch < problem_.shape.batch; ++first.batch) {
    const auto head = geometry(tensors, first.batch);
    for (first.kv_head = 0; first.kv_head < problem_.mechanism.num_kv_heads; ++first.kv_head) {
      if (wanted(first.batch)) visit(head, first);
      first.number += head.blocks();
    }
  }
}

template <typename Visit>
void SoftmaxExecution::for_each_block(const HeadGeometry& head, Item first, Visit&& visit) {
  auto& item = first;
  for (item.begin = head.first_row(); item.begin < head.rows(); item.begin = item.end, ++item.number) {
    item.end = head.block_end(item.begin);
    visit(item);
  }
}

void SoftmaxExecution::call(const Tensors& tensors) {
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
    for_each_head(tensors, all, [&](const HeadGeometry& head, const Item& first) {
      for_each_block(head, first, [&](const Item& item) {
        if (item.number % threads_ == share) merge(tensors, head, item);
      });
    });
  });
}

void SoftmaxExecution::clear_rows_without_keys(const Tensors& tensors) const {
  for (std::int64_t b = 0; b < problem_.shape.batch; ++b) {
    const auto head = geometry(tensors, b);
    const auto queries = head.query(head.first_row());
    for (std::int64_t h = 0; h < problem_.shape.num_q_heads; ++h) {
      for (std::int64_t i = 0; i < queries; ++i) {
        std::fill_n(Rows(tensors[Role::o], b).at(h, i), problem_.shape.head_dim_v * size_bytes(path_.dtype),
                    std::byte{0});
        if (tensors[Role::lse])
          *tensors[Role::lse].row<float>(b, h, i) = -std::numeric_limits<float>::infinity();
      }
    }
  }
}

void SoftmaxExecution::run_share(const Tensors& tensors, std::int64_t begin, std::int64_t end,
                                 Worker& worker) {
  worker.packed_batch = -1;  // V may have changed since the last call
  if (path_.enter != nullptr) path_.enter();
  std::int64_t at = 0;
  const auto wanted = [&](std::int64_t batch) {
    const auto head_cost = head_costs_[static_cast<std::size_t>(batch)];
    if (at + head_cost > begin && at < end) return true;
    at += head_cost;
    return false;
  };
  for_each_head(tensors, wanted, [&](const HeadGeometry& head, const Item& first) {
    for (int part = 0; part < parts_; ++part) {
      for_each_block(head, first, [&](const Item& item) {
        const bool mine = at >= begin && at < end;
        at += threads_ > 1 ? head.cost(item.begin, item.end) : 0;
        if (chunk_keys_ == 0) {
          if (mine) run_block(tensors, head, item, part, worker);
          return;
        }
        if (mine) open(tensors, head, item, part, worker.running[static_cast<std::size_t>(worker.opened++)]);
        if (worker.opened == blocks_at_once_ || item.end == head.rows() || at >= end)
          run_opened(tensors, head, part, worker);
      });
    }
  });
  if (path_.leave != nullptr) path_.leave();
}

KeyRange SoftmaxExecution::keys_of_part(const HeadGeometry& head, const Item& item, int part) const {
  return parts_ == 1 ? KeyRange{0, head.keys()} : part_of_keys(head, item.begin, item.end, part, parts_);
}

KeyRange SoftmaxExecution::globals_of_part(const HeadGeometry& head, const Item& item, int part) const {
  return part == 0 && problem_.mechanism.globals > 0 ? head.allowed(item.begin).globals : KeyRange{};
}

void SoftmaxExecution::run_block(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
                                 Worker& worker) {
  auto& running = worker.running.front();
  open(tensors, head, item, part, running);
  feed(tensors, head, running, globals_of_part(head, item, part), keys_of_part(head, item, part), worker);
  close(running);
}

void SoftmaxExecution::run_opened(const Tensors& tensors, const HeadGeometry& head, int part,
                                  Worker& worker) {
  const std::span opened(worker.running.data(), static_cast<std::size_t>(std::exchange(worker.opened, 0)));
  if (opened.empty()) return;
  // No windows and no global keys here: all blocks of a head see their keys up to about the same one.
  const auto first = keys_of_part(head, opened.front().item, part);
  const auto last = keys_of_part(head, opened.back().item, part);
  const KeyRange all{std::min(first.begin, last.begin), std::max(first.end, last.end)};
  const auto first_chunk = all.begin / chunk_keys_ * chunk_keys_;
  for (auto key = first_chunk; key < all.end; key += chunk_keys_) {
    for (auto& running : opened) {
      const auto of_block = keys_of_part(head, running.item, part);
      feed(tensors, head, running, {},
           {std::max(key, of_block.begin), std::min(key + chunk_keys_, of_block.end)}, worker);
    }
  }
  for (auto& running : opened) close(running);
}

void SoftmaxExecution::open(const Tensors& tensors, const HeadGeometry& head, const Item& item, int part,
                            Running& running) const {
  auto& block = running.block;
  bind_rows(tensors, head, item, block);
  block.partial = parts_ > 1 ? partial(item, part) : nullptr;
  const bool with_lse = block.lse[0] != nullptr;
  running.item = item;
  const auto way = way_of(path_, block.rows, head.rows(), head.keys_read(item.begin, item.end));
  running.in_place = way != Way::tile;
  running.has_masks = false;
  running.kernel = way == Way::few      ? (with_lse ? &path_.few_with_lse : &path_.few)
                   : way == Way::decode ? (with_lse ? &path_.decode_with_lse : &path_.decode)
                                        : (with_lse ? &path_.tile_with_lse : &path_.tile);
  running.kernel->begin(block);
  look_ahead(tensors, head, item, block);
}

void SoftmaxExecution::feed(const Tensors& tensors, const HeadGeometry& head, Running& running,
                            KeyRange globals, KeyRange within, Worker& worker) const {
  auto& block = running.block;
  const auto& item = running.item;
  const auto pieces = running.in_place ? whole_piece(head, item.begin, item.end, within)
                                       : cut_pieces(head, item.begin, item.end, within);
  const bool packed = !running.in_place && path_.pack_values != nullptr;
  if (!running.has_masks && !pieces.all_full()) {
    bind_masks(head, item, block);
    running.has_masks = true;
  }
  if (packed) pack(tensors, head, item, pieces.keys(), worker);

  const Rows k(tensors[Role::k], item.batch);
  const Rows v(tensors[Role::v], item.batch);
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

}  // namespace attnbench::cpu::fused
