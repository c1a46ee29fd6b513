#include "core/allowed_pairs.h"

#include <algorithm>

namespace attnbench {

double allowed_pairs(const Mechanism& mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv) {
  const auto first = std::max<std::int64_t>(0, seqlen_kv - seqlen_q);  // positions below see nothing
  const auto keys = [&](std::int64_t position) {
    return static_cast<double>(allowed_keys(mechanism, position, seqlen_kv).size());
  };
  // Of positions whose numbers of keys rise or fall evenly.
  const auto series = [&](std::int64_t begin, std::int64_t end) {
    return begin < end ? static_cast<double>(end - begin) * (keys(begin) + keys(end - 1)) / 2 : 0;
  };
  const auto within = [&](std::int64_t position) { return std::clamp(position, first, seqlen_kv); };
  if (mechanism.kind == MechanismKind::block_sparse) {
    const auto size = mechanism.block_size;
    const auto start = within(mechanism.globals);
    const auto into_block = start % size;
    const auto whole_begin = into_block == 0 ? start : within(start + std::min(size - into_block, seqlen_kv));
    const auto whole_blocks = (seqlen_kv - whole_begin) / size;
    const auto whole_end = whole_begin + whole_blocks * size;
    const auto each = whole_blocks > 0 ? series(whole_begin, whole_begin + size) : 0;
    return series(first, start) + series(start, whole_begin) + static_cast<double>(whole_blocks) * each +
           series(whole_end, seqlen_kv);
  }
  if (mechanism.kind == MechanismKind::swa) {
    // The window leaves the first key behind, and without a causal mask it reaches the last one.
    const auto half = mechanism.window / 2;
    const auto leaves = within(mechanism.causal_bottom_right ? mechanism.window - 1 : half);
    const auto reaches = mechanism.causal_bottom_right ? leaves : within(seqlen_kv - 1 - half);
    const auto [low, high] = std::minmax(leaves, reaches);
    return series(first, low) + series(low, high) + series(high, seqlen_kv);
  }
  return series(first, seqlen_kv);
}

std::int64_t seen_keys(const Mechanism& mechanism, std::int64_t seqlen_q, std::int64_t seqlen_kv) {
  if (seqlen_kv == 0) return 0;
  // Each position sees its own key and no range of a later one begins before that of an earlier one, so that
  // together they leave out only what lies between the first one's global keys and its range.
  const auto first = allowed_keys(mechanism, std::max<std::int64_t>(0, seqlen_kv - seqlen_q), seqlen_kv);
  return first.globals.size() + seqlen_kv - first.local.begin;
}

std::int64_t seeing_queries(std::int64_t seqlen_q, std::int64_t seqlen_kv) {
  return std::min(seqlen_q, seqlen_kv);
}

}  // namespace attnbench
