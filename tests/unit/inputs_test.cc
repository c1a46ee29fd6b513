#include "reference/inputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>
#include <set>

#include "reference/elements.h"
#include "reference/mask.h"
#include "support/elements.h"
#include "unit/reference_fixture.h"

namespace attnbench::reference {
namespace {

std::vector<double> values_of(const TensorView& view) {
  std::vector<double> values;
  std::vector<double> row(static_cast<std::size_t>(view.sizes[3]));
  for (std::int64_t b = 0; b < view.sizes[0]; ++b)
    for (std::int64_t h = 0; h < view.sizes[1]; ++h)
      for (std::int64_t i = 0; i < view.sizes[2]; ++i) {
        load_row(view, b, h, i, row.data());
        values.insert(values.end(), row.begin(), row.end());
      }
  return values;
}

/// Every score of (batch 0, head 0): rows of keys.
std::vector<std::vector<double>> scores_of(const Problem& problem, const Tensors& t) {
  std::vector<std::vector<double>> scores;
  std::vector<double> q(static_cast<std::size_t>(t[Role::q].sizes[3])), k(q);
  for (std::int64_t i = 0; i < t[Role::q].sizes[2]; ++i) {
    scores.emplace_back();
    load_row(t[Role::q], 0, 0, i, q.data());
    for (std::int64_t j = 0; j < t[Role::k].sizes[2]; ++j) {
      load_row(t[Role::k], 0, 0, j, k.data());
      double sum = 0;
      for (std::size_t d = 0; d < q.size(); ++d) sum += q[d] * k[d];
      scores.back().push_back(problem.shape.softmax_scale * sum);
    }
  }
  return scores;
}

TEST(Inputs, NormalHasTheMomentsOfN01) {
  const auto problem = small_problem("mha", 128, 128, 8, 0, 64);
  const auto data = make_data(problem, InputKind::normal, 1, false);
  for (const auto* view : {&data.tensors[Role::q], &data.tensors[Role::k], &data.tensors[Role::v]}) {
    const auto values = values_of(*view);
    double sum = 0, squares = 0, beyond = 0;
    for (const double x : values) sum += x, squares += x * x, beyond += std::abs(x) > 1.959964 ? 1 : 0;
    const auto n = static_cast<double>(values.size());
    EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
    EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
    EXPECT_NEAR(beyond / n, 0.05, 0.003);
  }
}

TEST(Inputs, DependOnSeedAndPlaceAlone) {
  const auto problem = small_problem("mha", 4, 4, 2, 0, 8, 2);
  const auto a = make_data(problem, InputKind::normal, 1, false);
  const auto b = make_data(problem, InputKind::normal, 1, false);
  const auto c = make_data(problem, InputKind::normal, 2, false);
  EXPECT_EQ(values_of(a.tensors[Role::q]), values_of(b.tensors[Role::q]));
  EXPECT_NE(values_of(a.tensors[Role::q]), values_of(c.tensors[Role::q]));
  EXPECT_NE(values_of(a.tensors[Role::k]), values_of(a.tensors[Role::v]));
  auto bshd = problem;
  bshd.shape.layout = Layout::bshd;
  EXPECT_EQ(values_of(a.tensors[Role::q]),
            values_of(make_data(bshd, InputKind::normal, 1, false).tensors[Role::q]));
  const auto all = values_of(a.tensors[Role::q]);
  EXPECT_GT(std::set<double>(all.begin(), all.end()).size(), all.size() * 9 / 10);
}

// From the definition of the generator, worked out in arbitrary-precision integers.
TEST(Inputs, AreTheSameOnEveryMachine) {
  const auto problem = small_problem("mha", 1, 1, 1, 0, 2);
  const auto data = make_data(problem, InputKind::normal, 1, false);
  EXPECT_EQ(values_of(data.tensors[Role::q]), (std::vector<double>{-28121.0 / 65536, -62389.0 / 65536}));
}

struct Setting {
  DType dtype;
  std::int64_t head_dim;
  double scale;
};
void PrintTo(const Setting& s, std::ostream* out) {
  *out << name(s.dtype) << ", head_dim " << s.head_dim << ", scale " << s.scale;
}

class HardInputs : public testing::TestWithParam<Setting> {
 protected:
  Problem problem(const char* mechanism = "mha") const {
    auto p = small_problem(mechanism, 70, 70, 1, 0, GetParam().head_dim, 1, GetParam().dtype);
    p.shape.softmax_scale = GetParam().scale;
    return p;
  }
};

TEST_P(HardInputs, RisingRises) {
  const auto data = make_data(problem(), InputKind::rising, 1, false);
  for (const auto& row : scores_of(problem(), data.tensors)) {
    EXPECT_NEAR(row.front(), 64, 8);
    EXPECT_NEAR(row.back(), 96, 12);
    // The maximum of each tile of 16 keys is above that of the tile before.
    for (std::size_t j = 16; j + 16 <= row.size(); j += 16) {
      const auto begin = row.begin() + static_cast<std::ptrdiff_t>(j);
      EXPECT_GT(*std::max_element(begin, begin + 16), *std::max_element(begin - 16, begin));
    }
  }
}

TEST_P(HardInputs, LargeLogitsOverflowAndVanish) {
  const auto data = make_data(problem(), InputKind::large_logits, 1, false);
  int high = 0, low = 0;
  for (const auto& row : scores_of(problem(), data.tensors)) {
    const auto [least, most] = std::minmax_element(row.begin(), row.end());
    EXPECT_TRUE(*least > 89 || *most < -87.5) << *least << " " << *most;
    (*least > 0 ? high : low) += 1;
  }
  EXPECT_GT(high, 10);
  EXPECT_GT(low, 10);
}

TEST_P(HardInputs, OneHotHasOneWinner) {
  const auto data = make_data(problem(), InputKind::one_hot, 1, false);
  for (auto row : scores_of(problem(), data.tensors)) {
    std::sort(row.begin(), row.end());
    EXPECT_GT(row.back() - row[row.size() - 2], 39.9);
  }
}

TEST_P(HardInputs, ZeroQueriesAreZero) {
  const auto data = make_data(problem(), InputKind::zero_q, 1, false);
  for (const double x : values_of(data.tensors[Role::q])) EXPECT_EQ(x, 0);
}

TEST_P(HardInputs, ExtremeScoresAreLevelsOfAllSizesAndFarKeysAreFar) {
  const auto data = make_data(problem(), InputKind::extreme, 1, false);
  const auto values = values_of(data.tensors[Role::v]);
  const auto width = static_cast<std::size_t>(data.tensors[Role::v].sizes[3]);
  const bool f16 = GetParam().dtype == DType::f16;
  const double far_value = f16 ? 0x1p15 : 0x1p100;
  std::map<int, int> by_size;
  int positive = 0, negative = 0;
  for (const auto& row : scores_of(problem(), data.tensors)) {
    double least = 1e300, most = 0, far = -1e300;
    int far_keys = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const bool huge = std::abs(values[j * width]) == far_value;
      far_keys += huge;
      if (huge) {
        far = std::max(far, row[j]);
      } else {
        (row[j] > 0 ? positive : negative) += 1;
        least = std::min(least, std::abs(row[j]));
        most = std::max(most, std::abs(row[j]));
      }
    }
    EXPECT_EQ(far_keys, (static_cast<int>(row.size()) + 2) / 4);  // keys 1, 5, 9 ...
    EXPECT_LT(far, (f16 ? -1.4 : -3) * most);
    // Levels 1 to 8, some of them more than once.
    EXPECT_NEAR(most / least, 8, 1e-6);
    by_size[std::ilogb(most)] += 1;
  }
  EXPECT_GT(positive, 100);
  EXPECT_GT(negative, 100);
  if (f16) {
    // The largest q (255 * 2^8, of which u and w give a half each), times the highest level.
    const double most =
        255 * 0x1p7 * 8 * 0x1p12 * static_cast<double>(GetParam().head_dim) * std::abs(GetParam().scale);
    EXPECT_LE(by_size.rbegin()->first, std::ilogb(most));
    EXPECT_GE(by_size.rbegin()->first, std::ilogb(most) - 1);
    EXPECT_LT(by_size.begin()->first, 19);
    return;
  }
  EXPECT_LT(by_size.begin()->first, 19);
  EXPECT_GT(by_size.rbegin()->first, 97);
  EXPECT_GT(by_size.size(), 7u);
}

TEST_P(HardInputs, LinearMechanismsSeeBothBranchesOfPhi) {
  for (const auto kind : {InputKind::rising, InputKind::large_logits, InputKind::one_hot}) {
    const auto data = make_data(problem("linear"), kind, 1, false);
    for (const auto* view : {&data.tensors[Role::q], &data.tensors[Role::k]}) {
      const auto values = values_of(*view);
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      EXPECT_LT(*least, -1) << name(kind);
      EXPECT_GT(*most, 1) << name(kind);
      if (kind == InputKind::large_logits) {
        EXPECT_GT(*most, 89);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, HardInputs,
                         testing::Values(Setting{DType::f32, 64, 0.125}, Setting{DType::bf16, 64, 0.125},
                                         Setting{DType::bf16, 32, 1}, Setting{DType::bf16, 128, 0.0884},
                                         Setting{DType::f32, 80, 0.001}, Setting{DType::bf16, 80, -0.3},
                                         Setting{DType::f16, 64, 0.125}, Setting{DType::f16, 32, 1},
                                         Setting{DType::f16, 128, 0.0884}, Setting{DType::f16, 80, -0.3},
                                         Setting{DType::f16, 80, 0.001}, Setting{DType::f16, 64, 1e-6}),
                         [](const auto& setting) {
                           return std::string(name(setting.param.dtype)) + "_" +
                                  std::to_string(setting.index);
                         });

// In layer scope the kinds describe what the projections give.
class LayerInputs : public testing::TestWithParam<DType> {};
TEST_P(LayerInputs, ProjectToTheSameKinds) {
  const bool f16 = GetParam() == DType::f16;
  auto problem = small_problem("gqa(kv=2)", 40, 40, 4, 2, 32, 1, GetParam());
  problem.scope = Scope::layer;
  problem.shape.d_model = 48;
  for (const auto kind : all_input_kinds()) {
    const auto data = make_data(problem, kind, 1, false);
    const auto& t = data.tensors;
    const auto project = [&](const TensorView& w, std::int64_t i, std::int64_t head) {
      std::vector<double> out(32);
      for (std::int64_t m = 0; m < 48; ++m)
        for (std::size_t c = 0; c < 32; ++c)
          out[c] += static_cast<double>(get_element(t[Role::x], 0, 0, i, m)) *
                    static_cast<double>(get_element(w, 0, 0, m, head * 32 + static_cast<std::int64_t>(c)));
      return out;
    };
    for (std::int64_t i = 0; i < 40; ++i) {
      const auto q = project(t[Role::wq], i, 3);
      std::vector<double> scores;
      for (std::int64_t j = 0; j < 40; ++j) {
        const auto k = project(t[Role::wk], j, 1);
        double sum = 0;
        for (std::size_t c = 0; c < 32; ++c) sum += q[c] * k[c];
        scores.push_back(sum * problem.shape.softmax_scale);
      }
      const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
      if (kind == InputKind::rising) {
        EXPECT_NEAR(scores.front(), 64, 12);
        EXPECT_NEAR(scores.back(), 96, 16);
      } else if (kind == InputKind::large_logits) {
        EXPECT_TRUE(*least > 80 || *most < -80) << *least << " " << *most;
      } else if (kind == InputKind::one_hot) {
        EXPECT_EQ(most - scores.begin(), i);
        auto sorted = scores;
        std::sort(sorted.begin(), sorted.end());
        EXPECT_GT(sorted[39] - sorted[38], 39.9);
      } else if (kind == InputKind::extreme) {
        const double size = f16 ? 0x1p28 : 0x1p31;
        EXPECT_TRUE(*least > size || *most < -size) << *least << " " << *most;
        EXPECT_GT(std::abs(*most - *least), size);
      } else if (kind == InputKind::zero_q) {
        EXPECT_EQ(*least, 0);
        EXPECT_EQ(*most, 0);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LayerInputs, testing::ValuesIn(kDTypes),
                         [](const auto& type) { return std::string(name(type.param)); });

/// A row of the extreme kind is the mean of the visible values on its highest level: no far key among them,
/// and every row sees another.
TEST(Inputs, ExtremeRowsAreMeansOfOrdinaryValues) {
  for (const auto dtype : kDTypes) {
    for (const char* mechanism : {"mha", "mha(causal)", "swa(w=1)", "swa(w=2)", "swa(w=9,causal)",
                                  "block_sparse(bs=1,globals=0)", "block_sparse(bs=3,globals=2)"}) {
      const auto problem = small_problem(mechanism, 50, 50, 2, 0, 16, 1, dtype);
      const auto data = make_data(problem, InputKind::extreme, 3, false);
      const auto rows = all_rows(problem);
      const auto exact = oracle(problem, data.tensors, rows);
      const auto plain = plain_form(problem, data.tensors, rows);
      for (std::size_t n = 0; n < exact[Role::o].size(); ++n) {
        ASSERT_LT(std::abs(exact[Role::o][n]), 6) << mechanism;
        ASSERT_NEAR(plain[Role::o][n], exact[Role::o][n], dtype == DType::f32 ? 1e-5 : 0.1) << mechanism;
      }
      for (std::size_t r = 0; r < rows.size(); ++r) {
        ASSERT_NEAR(plain[Role::lse][r], exact[Role::lse][r], std::abs(exact[Role::lse][r]) * 0x1p-22)
            << mechanism;
      }
    }
  }
}

// Of the usual scale: scores beyond 2^32, where a rounded maximum is off by more than exp may be, in six
// sizes.
TEST(Inputs, ExtremeF16ScoresReachWhereRoundingShows) {
  const auto problem = small_problem("mha", 70, 70, 1, 0, 64, 1, DType::f16);
  const auto data = make_data(problem, InputKind::extreme, 1, false);
  std::set<int> sizes;
  for (const auto& row : scores_of(problem, data.tensors)) {
    double most = 0;
    for (std::size_t j = 0; j < row.size(); ++j) most = j % 4 == 1 ? most : std::max(most, std::abs(row[j]));
    sizes.insert(std::ilogb(most));
  }
  EXPECT_GE(*sizes.rbegin(), 32);
  EXPECT_GE(sizes.size(), 6u);
}

TEST(Inputs, ExtremeKeysBehindTheLengthInUseAreFar) {
  auto problem = small_problem("mha", 4, 12, 1, 0, 16, 2);
  problem.shape.seqlens_kv = {12, 5};
  const auto data = make_data(problem, InputKind::extreme, 1, false);
  for (std::int64_t j = 0; j < 12; ++j) {
    EXPECT_EQ(std::abs(data.tensors[Role::v].row<float>(0, 0, j)[3]) == 0x1p100F, j % 4 == 1);
    EXPECT_EQ(std::abs(data.tensors[Role::v].row<float>(1, 0, j)[3]) == 0x1p100F, j % 4 == 1 || j >= 5);
  }
}

/// Scales at the ends of what is accepted, windows beyond any sequence: every element is finite.
TEST(Inputs, EveryKindIsFiniteForEveryScale) {
  for (const double scale : {1.2e-38, -1.2e-38, 2.3e38, 0.0}) {
    for (const char* mechanism :
         {"mha", "swa(w=9223372036854775807)", "block_sparse(bs=9223372036854775807,globals=1)"}) {
      for (const auto dtype : kDTypes) {
        auto problem = small_problem(mechanism, 20, 20, 1, 0, 33, 1, dtype);
        problem.shape.softmax_scale = scale;
        validate(problem);
        for (const auto kind : all_input_kinds()) {
          const auto data = make_data(problem, kind, 1, false);
          for (const auto* view : {&data.tensors[Role::q], &data.tensors[Role::k], &data.tensors[Role::v]}) {
            for (const double x : values_of(*view))
              ASSERT_TRUE(std::isfinite(x)) << name(kind) << " " << scale;
          }
        }
      }
    }
  }
}

TEST(Inputs, OutputsArePoisoned) {
  const auto problem = small_problem("mha", 3, 3, 2, 0, 8, 1, DType::bf16);
  const auto data = make_data(problem, InputKind::normal, 1, true);
  for (const double x : values_of(data.tensors[Role::o])) EXPECT_TRUE(std::isnan(x));
  for (const double x : values_of(data.tensors[Role::lse])) EXPECT_TRUE(std::isnan(x));
  check_tensors(problem, data.tensors);
}

}  // namespace
}  // namespace attnbench::reference
