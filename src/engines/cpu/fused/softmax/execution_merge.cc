// The parts of a block whose keys were split, merged by their log-sum-exp.
#include <algorithm>
#include <array>
#include <cmath>

#include "engines/cpu/fused/softmax/execution.h"

namespace attnbench::cpu::fused {

float* SoftmaxExecution::partial(const Item& item, int part) const {
  const auto size = kLanes * (problem_.shape.head_dim_v + 2);
  return workspace_.at<float>(partials_) + (item.number * parts_ + part) * size;
}

void SoftmaxExecution::merge(const Tensors& tensors, const HeadGeometry& head, const Item& item) const {
  const auto head_dim = problem_.shape.head_dim_v;
  for (auto row = item.begin; row < item.end; ++row) {
    const auto lane = row - item.begin;
    const auto state = [&](int part) { return partial(item, part) + kLanes * head_dim + lane; };
    const auto& block = workers_.front().running.front().block;
    float maximum = kNoMaximum;
    for (int part = 0; part < parts_; ++part) maximum = std::max(maximum, *state(part));
    std::array<float, kMaxHeadDim> o{};
    float sum = 0;
    for (int part = 0; part < parts_; ++part) {
      const float part_sum = state(part)[kLanes];
      if (part_sum == 0) continue;
      const float weight = std::exp2((*state(part) - maximum) * block.scale_log2);
      const float* values = partial(item, part) + lane * head_dim;
      sum += weight * part_sum;
      for (std::int64_t d = 0; d < head_dim; ++d) o[static_cast<std::size_t>(d)] += weight * values[d];
    }
    const auto query = head.query(row);
    const auto h = item.kv_head * group_ + row - query * group_;
    visit(path_.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      auto* row_of_o = tensors[Role::o].row<T>(item.batch, h, query);
      for (std::int64_t d = 0; d < head_dim; ++d) {
        row_of_o[d] = static_cast<T>(o[static_cast<std::size_t>(d)] / sum);
      }
    });
    if (tensors[Role::lse])
      *tensors[Role::lse].row<float>(item.batch, h, query) = natural_lse(block, maximum, sum);
  }
}

}  // namespace attnbench::cpu::fused
