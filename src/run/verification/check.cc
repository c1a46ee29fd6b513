#include "run/verification/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "core/random.h"
#include "reference/elements.h"
#include "reference/inputs.h"
#include "reference/mask.h"

namespace attnbench {
namespace {

using reference::Row;

std::string place(const char* role, const Row& row) {
  return fmt::format("{}[batch {}, head {}, row {}]", role, row.batch, row.head, row.query);
}

/// The first row of a view that holds an element `is_wrong(value, row)`, in words; empty if none does.
template <typename Predicate>
std::string find_in_rows(const char* role, const TensorView& view, Predicate is_wrong) {
  std::vector<double> values(static_cast<std::size_t>(view.sizes[3]));
  Row row;
  for (row.batch = 0; row.batch < view.sizes[0]; ++row.batch) {
    for (row.head = 0; row.head < view.sizes[1]; ++row.head) {
      for (row.query = 0; row.query < view.sizes[2]; ++row.query) {
        reference::load_row(view, row.batch, row.head, row.query, values.data());
        for (std::size_t c = 0; c < values.size(); ++c) {
          if (is_wrong(values[c], row)) {
            return fmt::format("{} column {} is {}", place(role, row), c, values[c]);
          }
        }
      }
    }
  }
  return {};
}

/// Rows that may see no key: those before the first position, or all where the batch entry has no keys.
bool sees_nothing(const Problem& problem, const Tensors& tensors, const Row& row) {
  const auto keys = reference::keys_in_use(problem, tensors, row.batch);
  const auto position = row.query + keys - problem.shape.seqlen_q;
  return allowed_keys(problem.mechanism, position, keys).size() == 0;
}

std::string find_not_finite(const Problem& problem, const Tensors& tensors) {
  auto found = find_in_rows("o", tensors.o, [](double value, const Row&) { return !std::isfinite(value); });
  if (found.empty() && tensors.lse) {
    found = find_in_rows("lse", tensors.lse, [&](double value, const Row& row) {
      return sees_nothing(problem, tensors, row) ? value != -std::numeric_limits<double>::infinity()
                                                 : !std::isfinite(value);
    });
  }
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

std::string wrong_value(const char* role, const Row& row, const Worst& worst, double tolerance) {
  return fmt::format("{} column {} is {:.9g}, expected {:.9g}: off by {:.3g}, allowed {:.3g}",
                     place(role, row), worst.column, worst.got, worst.expected, worst.error, tolerance);
}

Expected expected_of(std::vector<Row> rows, reference::RowResults exact, const reference::RowResults& plain) {
  Expected expected{std::move(rows), std::move(exact), 0, 0};
  expected.plain_error = largest_difference(expected.exact.o, plain.o);
  expected.plain_lse_error = largest_difference(expected.exact.lse, plain.lse);
  return expected;
}

}  // namespace

Expected expect(const Problem& problem, const Tensors& inputs, std::vector<Row> rows) {
  auto exact = reference::oracle(problem, inputs, rows);
  const auto plain = reference::plain_form(problem, inputs, rows);
  return expected_of(std::move(rows), std::move(exact), plain);
}

CaseResult check_output(const Problem& problem, const Tensors& tensors, const Expected& expected) {
  CaseResult result;
  result.plain_error = expected.plain_error;
  result.tolerance =
      2 * expected.plain_error + 4 * unit_in_last_place(problem.shape.dtype_o) * largest(expected.exact.o);
  result.reason = find_not_finite(problem, tensors);
  if (!result.reason.empty()) {
    result.max_error = std::numeric_limits<double>::infinity();
    return result;
  }
  const auto worst = worst_of(tensors.o, expected.rows, expected.exact.o);
  result.max_error = worst.error;
  if (worst.error > result.tolerance) {
    result.reason = wrong_value("o", expected.rows[worst.row], worst, result.tolerance);
    return result;
  }
  if (tensors.lse) {
    const auto worst_lse = worst_of(tensors.lse, expected.rows, expected.exact.lse);
    const double tolerance = 2 * expected.plain_lse_error +
                             4 * unit_in_last_place(DType::f32) * std::max(1.0, largest(expected.exact.lse));
    if (worst_lse.error > tolerance) {
      result.reason = wrong_value("lse", expected.rows[worst_lse.row], worst_lse, tolerance);
      return result;
    }
  }
  result.passed = true;
  return result;
}

CaseResult compare_rows(const Problem& problem, const Tensors& tensors, const std::vector<Row>& rows,
                        const reference::RowResults& exact, const reference::RowResults& plain) {
  return check_output(problem, tensors, expected_of(rows, exact, plain));
}

std::uint64_t hash_inputs(const Tensors& t) {
  std::uint64_t hash = 0;
  for (const auto* view : {&t.q, &t.k, &t.v, &t.x, &t.wq, &t.wk, &t.wv, &t.wo}) {
    if (!*view) continue;
    const auto row_bytes = view->sizes[3] * size_bytes(view->dtype);
    for (std::int64_t b = 0; b < view->sizes[0]; ++b) {
      for (std::int64_t h = 0; h < view->sizes[1]; ++h) {
        for (std::int64_t i = 0; i < view->sizes[2]; ++i) {
          const auto offset = b * view->strides[0] + h * view->strides[1] + i * view->strides[2];
          const auto* bytes = static_cast<const char*>(view->data) + offset * size_bytes(view->dtype);
          for (std::int64_t c = 0; c < row_bytes; c += 8) {
            std::uint64_t word = 0;
            std::copy_n(bytes + c, std::min<std::int64_t>(8, row_bytes - c), reinterpret_cast<char*>(&word));
            hash = mix_bits(hash ^ word) + 1;
          }
        }
      }
    }
  }
  return hash;
}

CaseResult check_kernel(const KernelInfo& kernel, const Problem& problem, const Device& device,
                        Tensors tensors, const Expected& expected) {
  check_tensors(problem, tensors);
  const auto before = hash_inputs(tensors);
  const auto queue = make_cpu_queue();
  const auto execution = kernel.prepare(problem, device);
  reference::poison_outputs(problem, tensors);
  execution->enqueue(tensors, *queue);
  queue->wait();
  auto result = check_output(problem, tensors, expected);
  if (result.passed && hash_inputs(tensors) != before) {
    result.passed = false;
    result.reason = "it changed its inputs";
  }
  return result;
}

}  // namespace attnbench
