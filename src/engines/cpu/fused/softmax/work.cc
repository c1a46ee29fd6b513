#include "engines/cpu/fused/softmax/execution.h"
#include "engines/cpu/fused/softmax/rows.h"
#include "engines/cpu/fused/softmax/spans.h"

namespace attnbench::cpu::fused {

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
      const auto way = way_of(path, end - row, head.rows(), head.keys_read(row, end));
      const bool few = way == Way::few;
      const auto globals = head.allowed(row).globals.size();
      const KeyRange all{0, keys};
      const auto lanes_used = few ? end - row : end - row > kHalfLanes ? kLanes : kHalfLanes;
      if (!few && path.packed_keys > kKeyUnit) {  // units of keys are multiplied whole
        const auto local = whole_piece(head, row, end, all).keys();
        const auto begin =
            way == Way::decode ? local.begin : local.begin / path.packed_keys * path.packed_keys;
        const auto read = round_up(globals, path.packed_keys) + round_up(local.end - begin, path.packed_keys);
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

double softmax_moved_bytes(const Problem& problem) {
  const auto& s = problem.shape;
  const auto& m = problem.mechanism;
  const auto group = s.num_q_heads / m.num_kv_heads;
  double keys_read = 0;
  for (std::int64_t b = 0; b < s.batch; ++b) {
    const auto keys = s.seqlens_kv.empty() ? s.seqlen_kv : s.seqlens_kv[static_cast<std::size_t>(b)];
    const HeadGeometry head(m, group, s.seqlen_q, keys);
    for (auto row = head.first_row(); row < head.rows(); row = head.block_end(row)) {
      const auto local = whole_piece(head, row, head.block_end(row), KeyRange{0, keys}).keys();
      keys_read += static_cast<double>(head.allowed(row).globals.size() + local.size());
    }
  }
  const auto row_of = [&](DType dtype) { return static_cast<double>(size_bytes(dtype)); };
  const auto queries = static_cast<double>(s.batch * s.num_q_heads * s.seqlen_q);
  return queries * (row_of(s.dtype_q) * static_cast<double>(s.head_dim_qk) +
                    row_of(s.dtype_o) * static_cast<double>(s.head_dim_v)) +
         static_cast<double>(m.num_kv_heads) * keys_read * row_of(s.dtype_kv) *
             static_cast<double>(s.head_dim_qk + s.head_dim_v);
}

}  // namespace attnbench::cpu::fused
