#include "run/verification/shared_cases.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace attnbench {
namespace {

/// Before and after each output, where a kernel that writes a few elements too many would write.
constexpr std::size_t kGuardBytes = 4096;

std::size_t dense_bytes(const TensorView& view) {
  return static_cast<std::size_t>(view.elements() * size_bytes(view.dtype));
}

}  // namespace

void put(SharedWriter& out, const Expected& expected) {
  out.put_list(expected.rows);
  out.put_value(expected.outputs.size());
  for (const auto& output : expected.outputs) {
    out.put_value(output.role);
    out.put_list(output.exact);
    out.put_value(output.plain_error);
  }
}

Expected take_expected(SharedReader& in) {
  Expected expected;
  expected.rows = in.take_list<reference::Row>();
  expected.outputs.resize(in.take_value<std::size_t>());
  for (auto& output : expected.outputs) {
    output.role = in.take_value<Role>();
    output.exact = in.take_list<double>();
    output.plain_error = in.take_value<double>();
  }
  return expected;
}

void put_cases(SharedWriter& out, const Problem& problem, const std::vector<reference::InputKind>& kinds,
               std::uint64_t seed) {
  const auto rows = reference::sample_rows(problem);
  out.put_value(kinds.size());
  for (const auto kind : kinds) {
    auto data = reference::make_data(problem, kind, seed, true);
    const auto expected = expect(problem, data.tensors, rows);
    out.put_value(kind);
    for (const auto& spec : roles_of(problem)) {
      const auto& view = data.tensors[spec.role];
      out.put_value(view);
      if (spec.access == Access::out) {
        out.skip(kGuardBytes);
        out.skip(dense_bytes(view));
        out.skip(kGuardBytes);
      } else {
        out.put(view.data, dense_bytes(view));
      }
      std::erase_if(data.buffers, [&](const Buffer& buffer) { return buffer.data() == view.data; });
    }
    put(out, expected);
  }
}

std::vector<VerificationCase> take_cases(SharedReader& in, const Problem& problem) {
  std::vector<VerificationCase> cases(in.take_value<std::size_t>());
  for (auto& c : cases) {
    c.kind = in.take_value<reference::InputKind>();
    for (const auto& spec : roles_of(problem)) {
      auto& view = c.data.tensors[spec.role];
      view = in.take_value<TensorView>();
      const auto take_guard = [&] {
        if (spec.access != Access::out) return;
        c.guards.push_back({spec.role, {static_cast<std::byte*>(in.take(kGuardBytes)), kGuardBytes}});
      };
      take_guard();
      view.data = in.take(dense_bytes(view));
      take_guard();
    }
    c.expected = take_expected(in);
    fill_guards(c);
  }
  return cases;
}

}  // namespace attnbench
