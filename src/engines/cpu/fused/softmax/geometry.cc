#include "engines/cpu/fused/softmax/geometry.h"

#include <algorithm>

#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {

HeadGeometry::HeadGeometry(const Mechanism& mechanism, std::int64_t group, std::int64_t seqlen_q,
                           std::int64_t keys)
    : mechanism_(mechanism), group_(group), seqlen_q_(seqlen_q), keys_(keys) {
  const auto row_at = [&](std::int64_t position) {
    return group_ * std::clamp<std::int64_t>(position - (keys_ - seqlen_q_), 0, seqlen_q_);
  };
  first_row_ = row_at(0);
  global_end_ = std::max(first_row_, row_at(std::min(mechanism_.globals, keys_)));
}

std::int64_t HeadGeometry::block_end(std::int64_t row) const {
  const auto end = row < global_end_ ? global_end_ : rows();
  return std::min(end, (row / kLanes + 1) * kLanes);
}

std::int64_t HeadGeometry::blocks() const {
  const auto count = [](std::int64_t begin, std::int64_t end) {
    return end > begin ? (end - 1) / kLanes - begin / kLanes + 1 : 0;
  };
  return count(first_row_, global_end_) + count(global_end_, rows());
}

AllowedKeys HeadGeometry::allowed(std::int64_t row) const {
  return allowed_keys(mechanism_, query(row) + keys_ - seqlen_q_, keys_);
}

KeyRange HeadGeometry::local_union(std::int64_t begin, std::int64_t end) const {
  if (begin >= end) return {};
  return {allowed(begin).local.begin, allowed(end - 1).local.end};
}

KeyRange HeadGeometry::local_intersection(std::int64_t begin, std::int64_t end) const {
  if (begin >= end) return {};
  return {allowed(end - 1).local.begin, allowed(begin).local.end};
}

std::int64_t HeadGeometry::keys_read(std::int64_t begin, std::int64_t end) const {
  return allowed(begin).globals.size() + local_union(begin, end).size();
}

std::int64_t HeadGeometry::cost(std::int64_t begin, std::int64_t end) const {
  // Packing Q and writing O take about as long as 8 keys.
  constexpr std::int64_t kBlockOverhead = 8;
  return keys_read(begin, end) + kBlockOverhead;
}

std::int64_t HeadGeometry::total_cost() const {
  std::int64_t total = 0;
  for (auto row = first_row_; row < rows();) {
    const auto end = block_end(row);
    total += cost(row, end);
    row = end;
  }
  return total;
}

}  // namespace attnbench::cpu::fused
