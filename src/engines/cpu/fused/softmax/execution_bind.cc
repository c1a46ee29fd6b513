// What a block reads and writes: rows, masks, packed keys, and the rows that the next block will need.
// In windows and block-sparse each block brings the rows of Q, K, V and O of the next one into L2, a share
// beside every eighth of its products with V. Against dense, Zen 4, one core, bf16, D = 64, N = 1024 / 8192:
// swa(w=64) 8.1 to 9.3 / 57 to 59 times faster without, 9.9 to 10.0 / 76 to 78 with; block_sparse(32, 1) 16
// to 17 / 90 to 100 without, 19 to 20 / 122 to 130 with. All at once ahead of the block it gained nothing
// there, nor on the AMX path of a Xeon (N = 1024: swa(w=64) 3.4 times faster where 3.7 without; N = 8192: 28
// to 29 where 25 to 27).
#include <algorithm>

#include "engines/cpu/fused/softmax/execution.h"
#include "engines/cpu/fused/softmax/rows.h"

namespace attnbench::cpu::fused {

void SoftmaxExecution::bind_rows(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                                 Block& block) const {
  const Rows q(tensors[Role::q], item.batch);
  const Rows o(tensors[Role::o], item.batch);
  block.rows = static_cast<int>(item.end - item.begin);
  block.q_stride_bytes = group_ == 1 ? q.stride() : 0;
  if (group_ == 1 && !tensors[Role::lse]) {
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
    block.lse[lane] = tensors[Role::lse] ? tensors[Role::lse].row<float>(item.batch, h, query) : nullptr;
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

void SoftmaxExecution::look_ahead(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                                  Block& block) const {
  block.ahead_keys = 0;
  block.ahead_q = 0;
  if (!path_.looks_ahead || !windowed_ || item.end >= head.rows()) return;
  const auto next_end = head.block_end(item.end);
  const auto begin = head.allowed(item.end - 1).local.end;
  const auto end = head.allowed(next_end - 1).local.end;
  if (end > begin) {
    const Rows k(tensors[Role::k], item.batch);
    const Rows v(tensors[Role::v], item.batch);
    block.ahead_keys = static_cast<int>(end - begin);
    block.ahead_k = {k.at(item.kv_head, begin), k.stride()};
    block.ahead_v = {v.at(item.kv_head, begin), v.stride()};
  }
  const bool same_lanes = kLanes % group_ == 0 && next_end - item.end == block.rows;
  const auto queries = block.rows / group_;
  block.ahead_q = same_lanes ? queries * Rows(tensors[Role::q], item.batch).stride() : 0;
  block.ahead_o = queries * Rows(tensors[Role::o], item.batch).stride();
}

void SoftmaxExecution::pack(const Tensors& tensors, const HeadGeometry& head, const Item& item,
                            KeyRange local, Worker& worker) const {
  const auto& s = problem_.shape;
  const Rows k(tensors[Role::k], item.batch);
  const Rows v(tensors[Role::v], item.batch);
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

}  // namespace attnbench::cpu::fused
