#pragma once

#include <cstdint>

#include "attnbench/mechanism.h"

/// Which rows form a block and which keys it must read, from the mechanism's allowed_keys() alone.
namespace attnbench::cpu::fused {

/// The rows of one kv head of one batch entry: row r is query r / group of query head r % group of its group.
/// Along the rows, keys seen only move forward, except that the rows of global queries come first and see
/// all.
class HeadGeometry {
 public:
  HeadGeometry(const Mechanism& mechanism, std::int64_t group, std::int64_t seqlen_q, std::int64_t keys);

  std::int64_t keys() const { return keys_; }
  std::int64_t rows() const { return group_ * seqlen_q_; }
  std::int64_t query(std::int64_t row) const { return group_ == 1 ? row : row / group_; }
  /// Rows before this one see no key.
  std::int64_t first_row() const { return first_row_; }
  /// End of the block that begins at `row`: at the next multiple of kLanes, or where global rows end.
  std::int64_t block_end(std::int64_t row) const;
  /// Blocks of all visible rows.
  std::int64_t blocks() const;

  AllowedKeys allowed(std::int64_t row) const;
  /// Keys that some row of [begin, end) sees beside the globals; empty when there is no row.
  KeyRange local_union(std::int64_t begin, std::int64_t end) const;
  /// Keys that all rows of [begin, end) see beside the globals.
  KeyRange local_intersection(std::int64_t begin, std::int64_t end) const;

  /// Keys that some row of [begin, end) sees.
  std::int64_t keys_read(std::int64_t begin, std::int64_t end) const;

  /// Work of the block of rows [begin, end), in keys read by a full block.
  std::int64_t cost(std::int64_t begin, std::int64_t end) const;
  std::int64_t total_cost() const;

 private:
  Mechanism mechanism_;
  std::int64_t group_, seqlen_q_, keys_;
  std::int64_t first_row_, global_end_;
};

}  // namespace attnbench::cpu::fused
