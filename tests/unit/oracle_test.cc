#include "reference/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/mask.h"
#include "unit/reference_fixture.h"

namespace attnbench::reference {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::Pointwise;

constexpr double kInf = std::numeric_limits<double>::infinity();

RowResults run_oracle(const Problem& problem, InputKind kind = InputKind::normal, std::uint64_t seed = 1) {
  const auto data = make_data(problem, kind, seed, false);
  return oracle(problem, data.tensors, all_rows(problem));
}

// Two keys of width 1: scores 0 and ln 3, so weights 1/4 and 3/4.
TEST(Oracle, SoftmaxByHand) {
  auto problem = small_problem("mha", 1, 2, 1, 0, 1);
  problem.shape.softmax_scale = 0.5;
  const auto ln3 = static_cast<float>(std::log(3.0));
  Values q(1, 1, 1, 1, {2}), k(1, 1, 2, 1, {0, ln3}), v(1, 1, 2, 1, {4, 8});
  Tensors t;
  t[Role::q] = q.view, t[Role::k] = k.view, t[Role::v] = v.view;
  const auto result = oracle(problem, t, all_rows(problem));
  EXPECT_NEAR(result[Role::o][0], 0.25 * 4 + 0.75 * 8, 1e-6);  // ln 3 was rounded to float
  EXPECT_NEAR(result[Role::lse][0], std::log(4.0), 1e-6);
}

// q = (0, 1), k = (0, 0), (-ln 2 as float, 1): phi(0) = 1, phi(1) = 2, phi(-ln 2) = 1/2.
TEST(Oracle, LinearByHand) {
  for (const bool causal : {false, true}) {
    auto problem = small_problem(causal ? "causal_linear" : "linear", 2, 2, 1, 0, 2);
    problem.shape.head_dim_v = 1;
    const auto minus_ln2 = static_cast<float>(-std::log(2.0));
    Values q(1, 1, 2, 2, {0, 1, 1, 0}), k(1, 1, 2, 2, {0, 0, minus_ln2, 1}), v(1, 1, 2, 1, {3, 7});
    Tensors t;
    t[Role::q] = q.view, t[Role::k] = k.view, t[Role::v] = v.view;
    const auto result = oracle(problem, t, all_rows(problem));
    // Row 0: phi(q) = (1, 2): weights 1 + 2 = 3 and 1/2 + 4 = 4.5. Row 1: phi(q) = (2, 1): 3 and 3.
    const double first = causal ? 3 * 3 / (3 + 1e-6) : (3 * 3 + 4.5 * 7) / (7.5 + 1e-6);
    EXPECT_NEAR(result[Role::o][0], first, 1e-6);
    EXPECT_NEAR(result[Role::o][1], (3 * 3 + 3 * 7) / (6 + 1e-6), 1e-6);
    EXPECT_TRUE(result[Role::lse].empty());
  }
}

TEST(Oracle, ZeroQueriesGiveTheMeanOfTheAllowedRows) {
  for (const auto* mechanism : {"mha", "mha(causal)", "swa(w=5)", "swa(w=4,causal)",
                                "block_sparse(bs=4,globals=2)", "block_sparse(bs=4,globals=2,causal)"}) {
    const auto problem = small_problem(mechanism, 6, 11);
    const auto data = make_data(problem, InputKind::zero_q, 3, false);
    const auto rows = all_rows(problem);
    const auto result = oracle(problem, data.tensors, rows);
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const auto allowed = allowed_keys(problem.mechanism, rows[n].query + 5, 11);
      for (std::int64_t c = 0; c < 8; ++c) {
        double sum = 0;
        for (const auto& range : {allowed.globals, allowed.local}) {
          for (auto j = range.begin; j < range.end; ++j) {
            sum += static_cast<double>(data.tensors[Role::v].row<const float>(0, 0, j)[c]);
          }
        }
        EXPECT_NEAR(result[Role::o][n * 8 + static_cast<std::size_t>(c)],
                    sum / static_cast<double>(allowed.size()), 1e-13)
            << mechanism << " row " << n;
      }
      EXPECT_NEAR(result[Role::lse][n], std::log(static_cast<double>(allowed.size())), 1e-13);
    }
  }
}

/// q k = 2^31 and 2^31 + 2^8, and 2^101 and 2^102, of either sign: all weight on the greater. Equal keys
/// share it.
TEST(Oracle, HugeScores) {
  for (const float sign : {1.0F, -1.0F}) {
    for (const auto& [low, high] : {std::pair(0x1p31F, 0x1.000002p31F), std::pair(0x1p101F, 0x1p102F)}) {
      auto problem = small_problem("mha", 1, 3, 1, 0, 1);
      problem.shape.softmax_scale = 1;
      Values q(1, 1, 1, 1, {sign}), k(1, 1, 3, 1, {low, high, high}), v(1, 1, 3, 1, {0x1p100F, 5, 9});
      if (sign < 0) k.memory = {high, low, low};
      Values o(1, 1, 1, 1, {0});
      Tensors t;
      t[Role::q] = q.view, t[Role::k] = k.view, t[Role::v] = v.view, t[Role::o] = o.view;
      const std::vector<Row> row = {{0, 0, 0}};
      for (const auto& result : {oracle(problem, t, row), plain_form(problem, t, row)}) {
        EXPECT_EQ(result[Role::o][0], 7);
        const double most = sign < 0 ? -double{low} : double{high};
        EXPECT_NEAR(result[Role::lse][0], most, std::abs(most) * 0x1p-23);
      }
    }
  }
}

TEST(Oracle, OneHotRowsCopyAnAllowedRowOfV) {
  for (const auto* mechanism : {"mha(causal)", "swa(w=9)", "block_sparse(bs=16,globals=1)"}) {
    const auto problem = small_problem(mechanism, 50, 60, 4, 2, 32);
    const auto bound = mechanism[0] == 'm' ? small_problem("gqa(kv=2,causal)", 50, 60, 4, 2, 32) : problem;
    const auto data = make_data(bound, InputKind::one_hot, 3, false);
    const auto rows = all_rows(bound);
    const auto result = oracle(bound, data.tensors, rows);
    int off_diagonal = 0;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      int matches = 0;
      for (std::int64_t j = 0; j < 60; ++j) {
        const auto* v = data.tensors[Role::v].row<const float>(0, rows[n].head / 2, j);
        double difference = 0;
        for (std::size_t c = 0; c < 32; ++c)
          difference =
              std::max(difference, std::abs(result[Role::o][n * 32 + c] - static_cast<double>(v[c])));
        if (difference > 1e-12) continue;
        ++matches;
        EXPECT_TRUE(may_see(bound.mechanism, rows[n].query + 10, j));
        if (j != rows[n].query + 10) ++off_diagonal;
      }
      EXPECT_EQ(matches, 1) << mechanism << " row " << n;
    }
    EXPECT_GT(off_diagonal, 20) << mechanism;
  }
}

TEST(Oracle, OrderOfKeysDoesNotMatterToMha) {
  const auto problem = small_problem("mha", 5, 9);
  auto data = make_data(problem, InputKind::normal, 2, false);
  const auto before = oracle(problem, data.tensors, all_rows(problem));
  for (auto* view : {&data.tensors[Role::k], &data.tensors[Role::v]}) {
    for (std::int64_t j = 0; j < 4; ++j)
      std::swap_ranges(view->row<float>(0, 0, j), view->row<float>(0, 0, j) + 8,
                       view->row<float>(0, 0, 8 - j));
  }
  const auto after = oracle(problem, data.tensors, all_rows(problem));
  EXPECT_THAT(after[Role::o], Pointwise(testing::DoubleNear(1e-13), before[Role::o]));
  EXPECT_THAT(after[Role::lse], Pointwise(testing::DoubleNear(1e-13), before[Role::lse]));
}

TEST(Oracle, MechanismsThatCoincide) {
  const auto of = [](const char* mechanism, std::int64_t kv_heads = 0) {
    return run_oracle(small_problem(mechanism, 12, 17, 4, kv_heads))[Role::o];
  };
  EXPECT_EQ(of("gqa(kv=4)", 4), of("mha"));
  EXPECT_EQ(of("gqa(kv=1)", 1), of("mqa"));
  EXPECT_EQ(of("swa(w=1000)"), of("mha"));
  EXPECT_EQ(of("swa(w=1000,causal)"), of("mha(causal)"));
  EXPECT_EQ(of("block_sparse(bs=17,globals=0)"), of("mha"));
  EXPECT_EQ(of("block_sparse(bs=3,globals=17)"), of("mha"));
  EXPECT_EQ(of("block_sparse(bs=17,globals=0,causal)"), of("mha(causal)"));
  EXPECT_NE(of("swa(w=5)"), of("mha"));
}

TEST(Oracle, GqaIsMhaWithRepeatedHeads) {
  const auto grouped = small_problem("gqa(kv=2)", 7, 7, 6, 2);
  const auto dense = small_problem("mha", 7, 7, 6);
  const auto data = make_data(grouped, InputKind::normal, 2, false);
  auto repeated = make_data(dense, InputKind::normal, 9, false);
  repeated.tensors[Role::q] = data.tensors[Role::q];
  for (std::int64_t h = 0; h < 6; ++h) {
    std::copy_n(data.tensors[Role::k].row<float>(0, h / 3, 0), 7 * 8,
                repeated.tensors[Role::k].row<float>(0, h, 0));
    std::copy_n(data.tensors[Role::v].row<float>(0, h / 3, 0), 7 * 8,
                repeated.tensors[Role::v].row<float>(0, h, 0));
  }
  EXPECT_EQ(oracle(grouped, data.tensors, all_rows(grouped))[Role::o],
            oracle(dense, repeated.tensors, all_rows(dense))[Role::o]);
}

TEST(Oracle, LastRowOfCausalLinearIsLinear) {
  const auto problem = small_problem("causal_linear", 9, 9, 4, 2);
  const auto full = small_problem("linear", 9, 9, 4, 2);
  const auto data = make_data(problem, InputKind::normal, 4, false);
  const std::vector<Row> last = {{0, 3, 8}, {0, 0, 8}};
  EXPECT_EQ(oracle(problem, data.tensors, last)[Role::o], oracle(full, data.tensors, last)[Role::o]);
}

TEST(Oracle, LinearIsItsQuadraticForm) {
  for (const auto* mechanism : {"linear", "causal_linear"}) {
    const auto problem = small_problem(mechanism, 6, 9, 2, 1);
    const auto data = make_data(problem, InputKind::normal, 4, false);
    const auto& t = data.tensors;
    const auto phi = [](float x) {
      return x > 0 ? static_cast<double>(x) + 1 : std::exp(static_cast<double>(x));
    };
    const auto rows = all_rows(problem);
    const auto result = oracle(problem, t, rows);
    for (std::size_t n = 0; n < rows.size(); ++n) {
      double denominator = 1e-6;
      std::vector<double> o(8);
      for (std::int64_t j = 0; j < 9; ++j) {
        if (problem.mechanism.is_causal() && j > rows[n].query + 3) continue;
        double weight = 0;
        for (std::int64_t d = 0; d < 8; ++d)
          weight += phi(t[Role::q].row<float>(0, rows[n].head, rows[n].query)[d]) *
                    phi(t[Role::k].row<float>(0, 0, j)[d]);
        denominator += weight;
        for (std::size_t c = 0; c < 8; ++c)
          o[c] += weight * static_cast<double>(t[Role::v].row<float>(0, 0, j)[c]);
      }
      for (std::size_t c = 0; c < 8; ++c) EXPECT_NEAR(result[Role::o][n * 8 + c], o[c] / denominator, 1e-12);
    }
  }
}

TEST(Oracle, RowsThatSeeNothingAreZerosWithoutLse) {
  for (const auto* mechanism : {"mha", "mha(causal)", "swa(w=3)", "linear", "causal_linear"}) {
    const auto problem = small_problem(mechanism, 5, 3);
    const auto result = run_oracle(problem);
    const bool softmax = problem.mechanism.is_softmax();
    for (std::size_t row = 0; row < 5; ++row) {
      const bool sees = row >= 2;
      const auto begin = result[Role::o].begin() + static_cast<std::ptrdiff_t>(row) * 8;
      EXPECT_EQ(std::all_of(begin, begin + 8, [](double x) { return x == 0; }), !sees) << mechanism << row;
      if (softmax) {
        EXPECT_EQ(result[Role::lse][row] == -kInf, !sees);
      }
    }
  }
}

TEST(Oracle, LengthsPerBatchEntry) {
  auto problem = small_problem("mha(causal)", 2, 6, 1, 0, 8, 3);
  problem.shape.seqlens_kv = {6, 4, 0};
  const auto data = make_data(problem, InputKind::normal, 1, false);
  const auto result = oracle(problem, data.tensors, all_rows(problem));
  // The second entry alone, with 4 keys.
  const auto alone = small_problem("mha(causal)", 2, 4);
  Tensors t = data.tensors;
  for (auto* view : {&t[Role::q], &t[Role::k], &t[Role::v]})
    view->data = view->row<float>(1, 0, 0), view->sizes[0] = 1;
  t[Role::k].sizes[2] = t[Role::v].sizes[2] = 4;
  const auto expected = oracle(alone, t, all_rows(alone));
  EXPECT_TRUE(std::equal(expected[Role::o].begin(), expected[Role::o].end(), result[Role::o].begin() + 16));
  EXPECT_THAT(std::vector(result[Role::lse].begin() + 4, result[Role::lse].end()), ElementsAre(-kInf, -kInf));
}

TEST(Oracle, CallWithFewerKeysThanPrepared) {
  const auto problem = small_problem("mha(causal)", 2, 9);
  const auto data = make_data(problem, InputKind::normal, 1, false);
  auto t = data.tensors;
  t[Role::k].sizes[2] = t[Role::v].sizes[2] = 5;
  const auto exact = small_problem("mha(causal)", 2, 5);
  EXPECT_EQ(oracle(problem, t, all_rows(problem))[Role::o], oracle(exact, t, all_rows(exact))[Role::o]);
}

TEST(Oracle, OrderAndChoiceOfRowsDoNotMatter) {
  for (const auto* mechanism : {"gqa(kv=2,causal)", "causal_linear"}) {
    const auto problem = small_problem(mechanism, 7, 7, 4, 2, 8, 2);
    const auto data = make_data(problem, InputKind::normal, 1, false);
    const auto rows = all_rows(problem);
    const auto all = oracle(problem, data.tensors, rows);
    const std::vector<Row> some = {{1, 3, 5}, {0, 0, 6}, {1, 3, 0}, {0, 2, 2}};
    const auto result = oracle(problem, data.tensors, some);
    for (std::size_t n = 0; n < some.size(); ++n) {
      const auto at = static_cast<std::size_t>(std::find(rows.begin(), rows.end(), some[n]) - rows.begin());
      EXPECT_TRUE(std::equal(result[Role::o].begin() + static_cast<std::ptrdiff_t>(n * 8),
                             result[Role::o].begin() + static_cast<std::ptrdiff_t>(n * 8 + 8),
                             all[Role::o].begin() + static_cast<std::ptrdiff_t>(at * 8)));
    }
  }
}

// Large enough for several threads, each of which has some of the keys and rows.
TEST(Oracle, ManyKeysByDefinition) {
  for (const auto* mechanism : {"gqa(kv=2)", "linear"}) {
    constexpr std::int64_t kKeys = 4099, kDim = 64;
    const auto problem = small_problem(mechanism, 3, kKeys, 4, 2, kDim);
    const bool softmax = problem.mechanism.is_softmax();
    const auto data = make_data(problem, InputKind::normal, 1, false);
    const auto& t = data.tensors;
    const auto rows = all_rows(problem);
    const auto result = oracle(problem, t, rows);
    const auto phi = [](double x) { return x > 0 ? x + 1 : std::exp(x); };
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const auto kv_head = rows[n].head / 2;
      const auto* const q = t[Role::q].row<float>(0, rows[n].head, rows[n].query);
      std::vector<double> expected(kDim);
      double sum = 0;
      for (std::int64_t j = 0; j < kKeys; ++j) {
        const auto* const k = t[Role::k].row<float>(0, kv_head, j);
        double product = 0;
        for (std::int64_t c = 0; c < kDim; ++c)
          product += softmax ? double{q[c]} * double{k[c]} : phi(double{q[c]}) * phi(double{k[c]});
        const double weight = softmax ? std::exp(product / 8) : product;
        sum += weight;
        for (std::size_t c = 0; c < kDim; ++c)
          expected[c] += weight * double{t[Role::v].row<float>(0, kv_head, j)[c]};
      }
      for (std::size_t c = 0; c < kDim; ++c)
        EXPECT_NEAR(result[Role::o][n * kDim + c], expected[c] / sum, 1e-9) << mechanism;
    }
  }
}

// Layer scope is the core of hand-made projections, times wo.
TEST(Oracle, LayerProjectsAttendsAndProjects) {
  for (const auto* mechanism : {"gqa(kv=2,causal)", "linear", "causal_linear"}) {
    auto layer = small_problem(mechanism, 5, 5, 4, 2, 3, 2);
    auto core = layer;
    layer.scope = Scope::layer;
    layer.shape.d_model = 10;
    const auto data = make_data(layer, InputKind::normal, 5, false);
    const auto product = [](const TensorView& a, std::int64_t b, std::int64_t i, const TensorView& w,
                            std::int64_t column) {
      double sum = 0;
      for (std::int64_t m = 0; m < w.sizes[2]; ++m)
        sum += static_cast<double>(a.row<float>(b, 0, i)[m]) *
               static_cast<double>(w.row<float>(0, 0, m)[column]);
      return sum;
    };
    auto projected = make_data(core, InputKind::normal, 9, false);
    const auto fill = [&](const TensorView& view, const TensorView& w) {
      for (std::int64_t b = 0; b < 2; ++b)
        for (std::int64_t h = 0; h < view.sizes[1]; ++h)
          for (std::int64_t i = 0; i < 5; ++i)
            for (std::int64_t c = 0; c < 3; ++c)
              view.row<float>(b, h, i)[c] =
                  static_cast<float>(product(data.tensors[Role::x], b, i, w, h * 3 + c));
    };
    fill(projected.tensors[Role::q], data.tensors[Role::wq]);
    fill(projected.tensors[Role::k], data.tensors[Role::wk]);
    fill(projected.tensors[Role::v], data.tensors[Role::wv]);
    const auto attended = oracle(core, projected.tensors, all_rows(core));
    const auto rows = all_rows(layer);
    ASSERT_EQ(rows.size(), 10u);
    const auto result = oracle(layer, data.tensors, rows);
    ASSERT_EQ(result[Role::o].size(), 100u);  // of d_model = 10
    for (std::size_t n = 0; n < rows.size(); ++n) {
      for (std::int64_t column = 0; column < 10; ++column) {
        double expected = 0;
        for (std::int64_t h = 0; h < 4; ++h) {
          // all_rows of core: batch, head, query; of layer: batch, query.
          const auto at = static_cast<std::size_t>(((rows[n].batch * 4 + h) * 5 + rows[n].query) * 3);
          for (std::size_t c = 0; c < 3; ++c)
            expected += attended[Role::o][at + c] * static_cast<double>(data.tensors[Role::wo].row<float>(
                                                        0, 0, h * 3 + static_cast<std::int64_t>(c))[column]);
        }
        EXPECT_NEAR(result[Role::o][n * 10 + static_cast<std::size_t>(column)], expected, 1e-6) << mechanism;
      }
    }
  }
}

// The ranges kernels use against the definition, pair by pair.
TEST(Oracle, AllowedKeysIsThePredicate) {
  std::vector<Mechanism> mechanisms;
  for (const bool causal : {false, true}) {
    for (const auto kind : all_mechanism_kinds()) {
      for (const std::int64_t size : {1, 2, 3, 4, 5, 8, 13, 40}) {
        for (const std::int64_t globals : {0, 1, 3, 9}) {
          Mechanism m{
              .kind = kind, .num_kv_heads = 1, .window = size, .block_size = size, .globals = globals};
          m.causal_bottom_right = causal;
          mechanisms.push_back(m);
        }
      }
    }
  }
  for (const auto& mechanism : mechanisms) {
    for (const std::int64_t keys : {0, 1, 5, 12, 17}) {
      for (std::int64_t position = -3; position < keys; ++position) {
        const auto allowed = allowed_keys(mechanism, position, keys);
        const auto in = [](const KeyRange& range, std::int64_t j) {
          return j >= range.begin && j < range.end;
        };
        for (std::int64_t j = -2; j < keys + 2; ++j) {
          const bool expected = j >= 0 && j < keys && may_see(mechanism, position, j);
          ASSERT_EQ(in(allowed.globals, j) + in(allowed.local, j), expected ? 1 : 0)
              << name(mechanism.kind) << " size " << mechanism.window << " globals " << mechanism.globals
              << " causal " << mechanism.causal_bottom_right << " keys " << keys << " position " << position
              << " key " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace attnbench::reference
