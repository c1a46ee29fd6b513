#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/kernel.h"
#include "reference/elements.h"
#include "reference/inputs.h"

namespace attnbench::test {

/// Output rows (and the log-sum-exp behind each) in float64, in the order batch, head, query.
inline std::vector<std::vector<double>> output_rows(const Tensors& t) {
  std::vector<std::vector<double>> rows;
  for (std::int64_t b = 0; b < t[Role::o].sizes[0]; ++b) {
    for (std::int64_t h = 0; h < t[Role::o].sizes[1]; ++h) {
      for (std::int64_t i = 0; i < t[Role::o].sizes[2]; ++i) {
        auto& row = rows.emplace_back(static_cast<std::size_t>(t[Role::o].sizes[3]));
        reference::load_row(t[Role::o], b, h, i, row.data());
        if (t[Role::lse]) row.push_back(double{*t[Role::lse].row<float>(b, h, i)});
      }
    }
  }
  return rows;
}

/// Changes the second half of the keys, then the first, and compares the rows that see none of them: whatever
/// finite values V holds there, not a bit of theirs may change; whatever K holds, infinities and NaN
/// included, no more than rounding (rows of a block may share the steps of their maxima). Core scope, full
/// lengths.
inline void expect_hidden_keys_do_not_matter(const KernelInfo& kernel, const Problem& problem) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const auto keys = problem.shape.seqlen_kv;
  const auto device = cpu_device(1);
  const auto run = [&](Tensors& tensors) {
    reference::poison_outputs(problem, tensors);
    run_once(*kernel.prepare(problem, device), problem, tensors, *device.make_queue());
    return output_rows(tensors);
  };
  auto data = reference::make_data(problem, reference::InputKind::normal, 5, true);
  const auto before = run(data.tensors);
  struct Change {
    const char* name;
    bool of_keys;
    std::vector<float> values;
  };
  const auto most = static_cast<float>(std::min(largest_finite(problem.shape.dtype_kv), 3e38));
  const auto huge = std::min(most, 1e18F);
  const std::vector<Change> changes = {{"huge values", false, {most, -most}},
                                       {"huge keys", true, {huge, -huge, huge}},
                                       {"keys that are not finite", true, {kInf, std::nanf(""), -kInf}}};
  for (const bool second_half : {true, false}) {
    const KeyRange changed = second_half ? KeyRange{keys / 2, keys} : KeyRange{0, keys / 2};
    const auto meets = [&](KeyRange r) {
      return r.size() > 0 && r.begin < changed.end && changed.begin < r.end;
    };
    const auto spared = [&](std::size_t row) {
      const auto query = static_cast<std::int64_t>(row) % problem.shape.seqlen_q;
      const auto seen = allowed_keys(problem.mechanism, query + keys - problem.shape.seqlen_q, keys);
      return !meets(seen.globals) && !meets(seen.local);
    };
    bool any = false;
    for (std::size_t r = 0; r < before.size(); ++r) any |= spared(r);
    if (!any) continue;
    for (const auto& change : changes) {
      SCOPED_TRACE(kernel_id(problem.mechanism, kernel) + " " + std::string(name(problem.shape.dtype_q)) +
                   " " + change.name + (second_half ? " in the second half" : " in the first half"));
      reference::fill_inputs(problem, reference::InputKind::normal, 5, data.tensors);
      const auto& view = change.of_keys ? data.tensors[Role::k] : data.tensors[Role::v];
      std::vector<float> row(static_cast<std::size_t>(view.sizes[3]));
      std::size_t n = 0;
      for (std::int64_t b = 0; b < view.sizes[0]; ++b) {
        for (std::int64_t h = 0; h < view.sizes[1]; ++h) {
          for (auto j = changed.begin; j < changed.end; ++j) {
            for (auto& x : row) x = change.values[n++ % change.values.size()];
            reference::store_row(view, b, h, j, row.data());
          }
        }
      }
      const auto after = run(data.tensors);
      for (std::size_t r = 0; r < before.size(); ++r) {
        if (!spared(r)) continue;
        double largest = 1;
        for (const double x : before[r]) {
          if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
        }
        const double allowed = change.of_keys ? 4 * unit_in_last_place(problem.shape.dtype_o) * largest : 0;
        for (std::size_t c = 0; c < before[r].size(); ++c) {
          if (before[r][c] == after[r][c]) continue;
          ASSERT_LE(std::abs(before[r][c] - after[r][c]), allowed)
              << "row " << r << " column " << c << ": " << before[r][c] << " became " << after[r][c];
        }
      }
    }
  }
}

}  // namespace attnbench::test
