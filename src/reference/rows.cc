#include "reference/rows.h"

#include <algorithm>

#include "reference/random.h"

namespace attnbench::reference {
namespace {

void shuffle(std::vector<std::int64_t>& values) {
  RandomStream random{std::uint64_t{0x726f7773}, static_cast<std::uint64_t>(values.size())};
  for (auto left = static_cast<std::int64_t>(values.size()); left > 1; --left) {
    std::swap(values[static_cast<std::size_t>(left - 1)],
              values[static_cast<std::size_t>(random.below(left))]);
  }
}

/// True next to a multiple of a usual tile size, or of the mechanism's own sizes.
bool at_tile_edge(const Mechanism& mechanism, std::int64_t place) {
  for (const std::int64_t tile :
       {std::int64_t{16}, std::int64_t{32}, std::int64_t{64}, mechanism.block_size, mechanism.window}) {
    if (tile > 0 && (place % tile == 0 || place % tile == 1 || place % tile == tile - 1)) return true;
  }
  return false;
}

/// The queries every head should show if it can: the last, the first, the first that sees a key.
std::vector<std::int64_t> telling_queries(const Shape& shape) {
  std::vector<std::int64_t> queries = {shape.seqlen_q - 1};
  if (shape.seqlen_q > 1) queries.push_back(0);
  const auto first_seeing = shape.seqlen_q - shape.seqlen_kv;
  if (first_seeing > 0 && first_seeing < shape.seqlen_q - 1) queries.push_back(first_seeing);
  return queries;
}

/// All others: those at tile edges and the rest in turn, each in random order.
std::vector<std::int64_t> other_queries(const Problem& problem, const std::vector<std::int64_t>& excluded) {
  std::vector<std::int64_t> edges;
  std::vector<std::int64_t> plain;
  for (std::int64_t i = 0; i < problem.shape.seqlen_q; ++i) {
    if (std::find(excluded.begin(), excluded.end(), i) != excluded.end()) continue;
    const auto position = i + problem.shape.seqlen_kv - problem.shape.seqlen_q;
    const bool edge = at_tile_edge(problem.mechanism, i) || at_tile_edge(problem.mechanism, position);
    (edge ? edges : plain).push_back(i);
  }
  shuffle(edges);
  shuffle(plain);
  std::vector<std::int64_t> queries;
  for (std::size_t n = 0; n < std::max(edges.size(), plain.size()); ++n) {
    if (n < edges.size()) queries.push_back(edges[n]);
    if (n < plain.size()) queries.push_back(plain[n]);
  }
  return queries;
}

/// At most `count` values, starting at `start` and going round.
void take(const std::vector<std::int64_t>& from, std::int64_t start, std::int64_t count,
          std::vector<std::int64_t>& into) {
  const auto size = static_cast<std::int64_t>(from.size());
  for (std::int64_t n = 0; n < std::min(count, size); ++n) {
    into.push_back(from[static_cast<std::size_t>((start + n) % size)]);
  }
}

}  // namespace

std::vector<Row> sample_rows(const Problem& problem, std::int64_t limit) {
  const auto heads = problem.scope == Scope::core ? problem.shape.num_q_heads : 1;
  const auto strata = problem.shape.batch * heads;
  const auto seqlen_q = problem.shape.seqlen_q;
  std::vector<Row> rows;
  if (strata * seqlen_q <= limit) {
    for (std::int64_t s = 0; s < strata; ++s) {
      for (std::int64_t i = 0; i < seqlen_q; ++i) rows.push_back({s / heads, s % heads, i});
    }
    return rows;
  }
  const auto telling = telling_queries(problem.shape);
  const auto others = other_queries(problem, telling);
  const auto chosen = std::min(strata, limit);
  for (std::int64_t n = 0; n < chosen; ++n) {
    const auto s = n * strata / chosen;
    const auto quota = (n + 1) * limit / chosen - n * limit / chosen;
    // Strata start at different places of each list, so that together they cover it.
    std::vector<std::int64_t> queries;
    take(telling, n, quota, queries);
    const auto left = quota - static_cast<std::int64_t>(queries.size());
    take(others, n * left, left, queries);
    std::sort(queries.begin(), queries.end());
    for (const auto i : queries) rows.push_back({s / heads, s % heads, i});
  }
  return rows;
}

}  // namespace attnbench::reference
