#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/problem.h"
#include "core/random.h"
#include "tune/grid.h"

namespace attnbench {

/// A problem to certify on, with so many threads.
struct HeldOutProblem {
  Problem problem;
  int threads = 1;
  double weight = 1;  ///< in means

  bool operator==(const HeldOutProblem&) const = default;
};

/// "gqa(kv=3,causal) in bf16, batch 3, 12/3 heads of 64, 17 x 4001, 2 threads".
std::string in_words(const HeldOutProblem& shape);

/// Draws problems over the ranges of tune_grid() and none of its points: for softmax mechanisms one half
/// prefill (N 1..16384), one half decode (1 to 16 queries over 128 to 65536 keys), others prefill alone;
/// batch 1..16; D 64 or 128; 1, 4 or 8 query heads for a head of K and V where the mechanism is mha, 1 to 32
/// of them in all; sizes uniform in their logarithm, so that they divide by nothing in particular; numbers of
/// threads in turn from the list. What validate() refuses and points of the grid are drawn again.
class HeldOutDraw {
 public:
  HeldOutDraw(std::vector<Mechanism> mechanisms, std::vector<DType> dtypes, std::vector<int> threads,
              std::uint64_t seed);
  HeldOutProblem next();

 private:
  std::int64_t size(std::int64_t low, std::int64_t high);
  template <typename T>
  const T& one_of(const std::vector<T>& list) {
    return list[random_.below(list.size())];
  }

  std::vector<Mechanism> mechanisms_;
  std::vector<DType> dtypes_;
  std::vector<int> threads_;
  std::vector<GridProblem> grid_;
  std::size_t drawn_ = 0;
  SplitMix64 random_;
};

/// Numbers of threads to certify with: each that was tuned, and up to two between the fewest and the most
/// that were not, where there are some.
std::vector<int> held_out_threads(const std::set<int>& tuned);

/// A user's traffic: problems and how often each occurs. TOML, an array of tables `[[shape]]`, where `text`
/// is not CSV by the file's name (".csv"), whose header names the same fields: mechanism and seqlen, and
/// where they differ from what stands here batch (1), heads (8), kv_heads (those of the mechanism, else
/// heads), seqlen_q (seqlen), head_dim (64), dtype (f32), layout (bhsd), threads (default_threads) and weight
/// (1). Throws InputError naming file, line, field and value.
std::vector<HeldOutProblem> parse_traffic(std::string_view text, const std::string& file,
                                          int default_threads);

}  // namespace attnbench
