#include "support/expectation.h"

#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "run/verification/check.h"

namespace attnbench::testing_support {
namespace {

struct Known {
  Problem problem;
  std::array<std::int64_t, 4> k_sizes;  ///< a call may have fewer keys than its problem
  std::vector<reference::Row> rows;
  Expectation results;
};

}  // namespace

const Expectation& expectation(const Problem& problem, const Tensors& inputs,
                               const std::vector<reference::Row>& rows) {
  static std::unordered_multimap<std::uint64_t, std::unique_ptr<const Known>> all;
  const auto hash = hash_inputs(problem, inputs);
  const auto [begin, end] = all.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const auto& known = *it->second;
    if (known.problem == problem && known.k_sizes == inputs[Role::k].sizes && known.rows == rows)
      return known.results;
  }
  Expectation results{reference::oracle(problem, inputs, rows),
                      reference::plain_forms(problem, inputs, rows)};
  auto known = std::make_unique<const Known>(Known{problem, inputs[Role::k].sizes, rows, std::move(results)});
  return all.emplace(hash, std::move(known))->second->results;
}

}  // namespace attnbench::testing_support
