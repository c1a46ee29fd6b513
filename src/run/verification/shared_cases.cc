#include "run/verification/shared_cases.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace attnbench {
namespace {

/// Calls visit(view, is_output) for each role, in the same order always.
template <typename Visit>
void for_each_role(Tensors& t, Visit visit) {
  for (auto* input : {&t.q, &t.k, &t.v, &t.x, &t.wq, &t.wk, &t.wv, &t.wo}) visit(*input, false);
  for (auto* output : {&t.o, &t.lse}) visit(*output, true);
}

std::size_t dense_bytes(const TensorView& view) {
  std::int64_t elements = 1;
  for (const auto size : view.sizes) elements *= size;
  return static_cast<std::size_t>(elements * size_bytes(view.dtype));
}

}  // namespace

void put(SharedWriter& out, const Expected& expected) {
  out.put_list(expected.rows);
  out.put_value(expected.exact.width);
  out.put_list(expected.exact.o);
  out.put_list(expected.exact.lse);
  out.put_value(expected.plain_error);
  out.put_value(expected.plain_lse_error);
}

Expected take_expected(SharedReader& in) {
  Expected expected;
  expected.rows = in.take_list<reference::Row>();
  expected.exact.width = in.take_value<std::int64_t>();
  expected.exact.o = in.take_list<double>();
  expected.exact.lse = in.take_list<double>();
  expected.plain_error = in.take_value<double>();
  expected.plain_lse_error = in.take_value<double>();
  return expected;
}

void put_cases(SharedWriter& out, const Problem& problem, const std::vector<reference::InputKind>& kinds,
               std::uint64_t seed) {
  const auto rows = reference::sample_rows(problem);
  const bool with_lse = problem.scope == Scope::core && problem.mechanism.is_softmax();
  out.put_value(kinds.size());
  for (const auto kind : kinds) {
    auto data = reference::make_data(problem, kind, seed, with_lse);
    const auto expected = expect(problem, data.tensors, rows);
    out.put_value(kind);
    for_each_role(data.tensors, [&](const TensorView& view, bool is_output) {
      out.put_value(view);
      if (!view) return;
      if (is_output) return out.skip(dense_bytes(view));
      out.put(view.data, dense_bytes(view));
      std::erase_if(data.buffers, [&](const Buffer& buffer) { return buffer.data() == view.data; });
    });
    put(out, expected);
  }
}

std::vector<VerificationCase> take_cases(SharedReader& in) {
  std::vector<VerificationCase> cases(in.take_value<std::size_t>());
  for (auto& c : cases) {
    c.kind = in.take_value<reference::InputKind>();
    for_each_role(c.data.tensors, [&](TensorView& view, bool) {
      view = in.take_value<TensorView>();
      if (view) view.data = in.take(dense_bytes(view));
    });
    c.expected = take_expected(in);
  }
  return cases;
}

}  // namespace attnbench
