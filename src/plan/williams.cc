#include "plan/williams.h"

#include <algorithm>

#include "plan/random.h"

namespace attnbench {

std::vector<std::vector<int>> williams_design(int treatments) {
  // 0, k-1, 1, k-2, ...: neighbours differ by -1, 2, -3, 4, ... Modulo an even k these are all differences,
  // once each; modulo an odd k they are the even ones, twice each, and the mirrored rows supply the odd ones.
  std::vector<int> zigzag;
  for (int low = 0, high = treatments - 1; low <= high; ++low, --high) {
    zigzag.push_back(low);
    if (low != high) zigzag.push_back(high);
  }
  std::vector<std::vector<int>> rows;
  for (int shift = 0; shift < treatments; ++shift) {
    auto row = zigzag;
    for (auto& treatment : row) treatment = (treatment + shift) % treatments;
    rows.push_back(row);
    if (treatments % 2 != 0) rows.emplace_back(row.rbegin(), row.rend());
  }
  return rows;
}

namespace {

/// The design of one walk through all rows: relabelled and shuffled from the seed and the walk's number.
std::vector<std::vector<int>> randomised_design(int treatments, std::uint64_t seed, std::uint64_t walk) {
  SplitMix64 streams(seed);
  SplitMix64 random(streams.next() ^ SplitMix64(walk).next());
  const auto design = williams_design(treatments);
  const auto labels = random_permutation(treatments, random);
  const auto row_order = random_permutation(static_cast<int>(design.size()), random);
  std::vector<std::vector<int>> rows;
  for (const auto index : row_order) {
    auto row = design[static_cast<std::size_t>(index)];
    for (auto& treatment : row) treatment = labels[static_cast<std::size_t>(treatment)];
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<std::vector<int>> block_orders(int treatments, std::uint64_t seed, int process, int blocks) {
  std::vector<std::vector<int>> orders;
  std::vector<std::vector<int>> rows;
  const auto rows_per_walk = static_cast<std::uint64_t>(treatments % 2 == 0 ? treatments : 2 * treatments);
  const auto first = static_cast<std::uint64_t>(process) * static_cast<std::uint64_t>(blocks);
  for (std::uint64_t block = first; block < first + static_cast<std::uint64_t>(blocks); ++block) {
    if (rows.empty() || block % rows_per_walk == 0) {
      rows = randomised_design(treatments, seed, block / rows_per_walk);
    }
    orders.push_back(rows[block % rows_per_walk]);
  }
  return orders;
}

}  // namespace attnbench
