#include "run/verification/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/each_row.h"
#include "core/random.h"
#include "reference/elements.h"
#include "reference/inputs.h"
#include "reference/mask.h"
#include "run/bound_call.h"

namespace attnbench {
namespace {

using reference::Row;

std::string place(Role role, const Row& row) {
  return fmt::format("{}[batch {}, head {}, row {}]", name(role), row.batch, row.head, row.query);
}

/// Calls visit(row, values) with every row of a view until it returns true.
template <typename Visit>
void for_rows_until(const TensorView& view, Visit visit) {
  std::vector<double> values(static_cast<std::size_t>(view.sizes[3]));
  any_row(view, [&](auto batch, auto head, auto query) {
    reference::load_row(view, batch, head, query, values.data());
    return visit(Row{batch, head, query}, values);
  });
}

/// Whether every element is the NaN that was there before the call.
bool nothing_written(const TensorView& view) {
  bool written = false;
  for_rows_until(view, [&](const Row&, const std::vector<double>& values) {
    written = std::any_of(values.begin(), values.end(), [](double value) { return !std::isnan(value); });
    return written;
  });
  return !written;
}

/// Rows that may see no key: those before the first position, or all where the batch entry has no keys.
bool sees_nothing(const Problem& problem, const Tensors& tensors, const Row& row) {
  const auto keys = reference::keys_in_use(problem, tensors, row.batch);
  const auto position = row.query + keys - problem.shape.seqlen_q;
  return allowed_keys(problem.mechanism, position, keys).size() == 0;
}

/// The first element that is no possible result, in words; empty if there is none.
std::string find_not_finite(const Problem& problem, const Tensors& tensors, Role role) {
  std::string found;
  for_rows_until(tensors[role], [&](const Row& row, const std::vector<double>& values) {
    const bool nothing = role == Role::lse && sees_nothing(problem, tensors, row);
    for (std::size_t c = 0; c < values.size() && found.empty(); ++c) {
      const bool right =
          nothing ? values[c] == -std::numeric_limits<double>::infinity() : std::isfinite(values[c]);
      if (!right) found = fmt::format("{} column {} is {}", place(role, row), c, values[c]);
    }
    return !found.empty();
  });
  if (!found.empty() && nothing_written(tensors[role]))
    return fmt::format("nothing was written to {}, or it was not fetched: all of it is nan", name(role));
  return found;
}

struct Worst {
  double error = 0;
  std::size_t row = 0;
  std::size_t column = 0;
  double got = 0;
  double expected = 0;
};

/// The largest |got - exact| of a role over the expected rows.
Worst worst_of(const TensorView& view, const std::vector<Row>& rows, const std::vector<double>& exact) {
  Worst worst;
  std::vector<double> got(static_cast<std::size_t>(view.sizes[3]));
  for (std::size_t n = 0; n < rows.size(); ++n) {
    reference::load_row(view, rows[n].batch, rows[n].head, rows[n].query, got.data());
    for (std::size_t c = 0; c < got.size(); ++c) {
      const double expected = exact[n * got.size() + c];
      const double error = got[c] == expected ? 0 : std::abs(got[c] - expected);
      if (error > worst.error) worst = {error, n, c, got[c], expected};
    }
  }
  return worst;
}

double largest(const std::vector<double>& values) {
  double result = 0;
  for (const double value : values) {
    if (std::isfinite(value)) result = std::max(result, std::abs(value));
  }
  return result;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double result = 0;
  for (std::size_t n = 0; n < a.size(); ++n) {
    if (a[n] != b[n]) result = std::max(result, std::abs(a[n] - b[n]));
  }
  return result;
}

/// Why what passed is not to be ranked: how far off it is.
std::string why_unranked(const Demand& demand, Role role, double error, double tolerance) {
  const auto off = fmt::format("{} off by {:.3g}, allowed {:.3g} ({:.3g} times)", name(role), error,
                               tolerance, error / tolerance);
  return demand.function.empty() ? "less exact: " + off
                                 : fmt::format("computes another function: {}; {}", demand.function, off);
}

std::string wrong_value(Role role, const Row& row, const Worst& worst, double tolerance) {
  return fmt::format("{} column {} is {:.9g}, expected {:.9g}: off by {:.3g}, allowed {:.3g}",
                     place(role, row), worst.column, worst.got, worst.expected, worst.error, tolerance);
}

Expected expected_of(const Problem& problem, std::vector<Row> rows, const reference::RowResults& exact,
                     const std::vector<reference::RowResults>& plain) {
  Expected expected{std::move(rows), {}};
  for (const auto& spec : roles_of(problem)) {
    if (spec.access != Access::out) continue;
    double plain_error = 0;
    for (const auto& form : plain)
      plain_error = std::max(plain_error, largest_difference(exact[spec.role], form[spec.role]));
    expected.outputs.push_back({spec.role, exact[spec.role], plain_error});
  }
  return expected;
}

double tolerance_of(const ExpectedOutput& expected, DType dtype) {
  const double least = expected.role == Role::lse ? 1 : 0;
  return 2 * expected.plain_error + 4 * unit_in_last_place(dtype) * std::max(least, largest(expected.exact));
}

}  // namespace

Expected expect(const Problem& problem, const Tensors& inputs, std::vector<Row> rows) {
  const auto exact = reference::oracle(problem, inputs, rows);
  const auto plain = reference::plain_forms(problem, inputs, rows);
  return expected_of(problem, std::move(rows), exact, plain);
}

Demand demand_on(const KernelInfo& kernel, const Problem& problem) {
  constexpr double kLessExact = 10;
  return {kernel.made_here() ? 1 : kLessExact, kernel.other_function(problem)};
}

CaseResult check_output(const Problem& problem, const Tensors& tensors, const Expected& expected,
                        const Demand& demand) {
  CaseResult result;
  const auto& first = expected.outputs.front();
  result.plain_error = first.plain_error;
  result.tolerance = tolerance_of(first, tensors[first.role].dtype);
  for (const auto& output : expected.outputs) {
    if (!tensors[output.role]) continue;
    result.reason = find_not_finite(problem, tensors, output.role);
    if (result.reason.empty()) continue;
    result.max_error = std::numeric_limits<double>::infinity();
    return result;
  }
  for (const auto& output : expected.outputs) {
    const auto& view = tensors[output.role];
    if (!view) continue;
    const auto worst = worst_of(view, expected.rows, output.exact);
    const double tolerance = tolerance_of(output, view.dtype);
    if (&output == &first) result.max_error = worst.error;
    const double share = worst.error == 0 ? 0 : worst.error / tolerance;
    const bool is_worst = &output == &first || share > result.share;
    if (is_worst) result.share = share;
    if (demand.function.empty() && worst.error > demand.tolerances * tolerance) {
      result.reason = wrong_value(output.role, expected.rows[worst.row], worst, tolerance);
      return result;
    }
    if (is_worst && (!demand.function.empty() || worst.error > tolerance))
      result.reason = why_unranked(demand, output.role, worst.error, tolerance);
  }
  result.passed = true;
  return result;
}

std::vector<double> first_output(const Tensors& tensors, const Expected& expected) {
  const auto& view = tensors[expected.outputs.front().role];
  const auto width = static_cast<std::size_t>(view.sizes[3]);
  std::vector<double> values(expected.rows.size() * width);
  for (std::size_t n = 0; n < expected.rows.size(); ++n) {
    const auto& row = expected.rows[n];
    reference::load_row(view, row.batch, row.head, row.query, values.data() + n * width);
  }
  return values;
}

CaseResult compare_rows(const Problem& problem, const Tensors& tensors, const std::vector<Row>& rows,
                        const reference::RowResults& exact, const std::vector<reference::RowResults>& plain,
                        const Demand& demand) {
  return check_output(problem, tensors, expected_of(problem, rows, exact, plain), demand);
}

std::uint64_t hash_inputs(const Problem& problem, const Tensors& tensors) {
  // A sum over words and their places: no word waits for the one before.
  std::uint64_t hash = 0;
  std::uint64_t place = 0;
  for (const auto& spec : roles_of(problem)) {
    if (spec.access != Access::in) continue;
    const auto& view = tensors[spec.role];
    const auto row_bytes = view.sizes[3] * size_bytes(view.dtype);
    for_each_row(view, [&](auto b, auto h, auto i) {
      const auto* const bytes = view.row_bytes(b, h, i);
      std::int64_t c = 0;
      for (; c + 8 <= row_bytes; c += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes + c, sizeof word);
        hash += mix_bits(word ^ (place += kGoldenGamma));
      }
      if (c == row_bytes) return;
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + c, static_cast<std::size_t>(row_bytes - c));
      hash += mix_bits(word ^ (place += kGoldenGamma));
    });
  }
  return hash;
}

Tensors tensors_of(const KernelInfo& kernel, const Tensors& tensors) {
  auto taken = tensors;
  if (!kernel.computes_lse()) taken[Role::lse] = {};
  return taken;
}

CaseResult check_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                        const Tensors& all_tensors, const Expected& expected) {
  const auto tensors = tensors_of(kernel, all_tensors);
  check_tensors(problem, tensors);
  const auto before = hash_inputs(problem, tensors);
  const auto queue = device.make_queue();
  const auto execution = kernel.prepare(problem, device);
  BoundCall call(*execution, problem, tensors, *queue);
  call.poison_outputs();
  call.run();
  call.read_outputs();
  auto result = check_output(problem, tensors, expected, demand_on(kernel, problem));
  if (!result.passed) return result;
  call.read_inputs();
  const auto fault = hash_inputs(problem, tensors) == before ? wrong_implementation(kernel, *execution)
                                                             : "it changed its inputs";
  if (!fault.empty()) result.reason = fault;
  result.passed = fault.empty();
  return result;
}

}  // namespace attnbench
