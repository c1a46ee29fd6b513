#include <gmock/gmock.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "emulated_amx.h"
#include "engines/cpu/fused/softmax/portable.h"
#include "output_element.h"
#include "reference/elements.h"
#include "reference/inputs.h"
#include "support/expectation.h"
#include "support/hidden_keys.h"

namespace attnbench {
namespace {

struct ShapeCase {
  std::string mechanism;
  std::int64_t batch, q_heads, kv_heads, seqlen_q, seqlen_kv, head_dim_qk, head_dim_v;
};

/// Off every tile, groups that do not divide 32, each kernel of a path, K and V
/// too long for L2, split keys.
const std::vector<ShapeCase> kShapes = {
    {"mha", 1, 2, 0, 129, 129, 64, 64},
    {"mha", 2, 1, 0, 33, 33, 80, 96},
    {"mha", 1, 1, 0, 1, 1, 256, 256},
    {"mha(causal)", 1, 2, 0, 127, 127, 16, 32},
    {"mha(causal)", 3, 1, 0, 129, 33, 64, 64},
    {"mha(causal)", 1, 1, 0, 200, 2000, 256, 160},
    {"gqa(kv=2)", 1, 6, 2, 33, 129, 64, 80},
    {"gqa(kv=8)", 1, 32, 8, 1, 1111, 128, 128},
    {"mqa", 1, 32, 1, 1, 5000, 64, 64},
    {"mqa", 1, 8, 1, 7, 777, 32, 256},
    {"gqa(kv=1,causal)", 1, 4, 1, 11, 3000, 128, 128},
    // Few rows, many keys: one half of a block and both, a head of two blocks, which is none of them, ends of
    // keys and of head_dim inside a tile, bounds that move.
    {"gqa(kv=8)", 1, 32, 8, 2, 1111, 128, 128},
    {"gqa(kv=1)", 1, 5, 1, 1, 600, 256, 16},
    {"gqa(kv=2,causal)", 2, 8, 2, 3, 1001, 80, 48},
    {"mqa(causal)", 1, 8, 1, 3, 2050, 64, 80},
    {"mqa(causal)", 1, 4, 1, 16, 544, 128, 128},
    {"swa(w=700,causal)", 1, 1, 0, 9, 900, 48, 32},
    {"block_sparse(bs=300,globals=3)", 1, 4, 1, 4, 2000, 64, 64},
    {"swa(w=64)", 1, 2, 0, 777, 777, 64, 64},
    {"swa(w=7,causal)", 1, 6, 2, 129, 129, 64, 64},
    {"swa(w=90)", 2, 3, 1, 401, 401, 48, 16},
    {"swa(w=1200)", 1, 1, 0, 2500, 2500, 32, 32},
    {"block_sparse(bs=32,globals=1)", 1, 2, 0, 777, 777, 64, 64},
    {"block_sparse(bs=7,globals=40)", 1, 3, 1, 129, 129, 64, 48},
    {"block_sparse(bs=64,globals=1,causal)", 1, 2, 0, 127, 127, 128, 64},
    // Global rows beside local ones and alone, in one block and in two; a jump of 31 keys within a block.
    {"block_sparse(bs=31,globals=2)", 1, 6, 2, 301, 301, 64, 48},
    {"block_sparse(bs=32,globals=1)", 2, 2, 0, 300, 70, 96, 64},
    {"block_sparse(bs=16,globals=4)", 1, 2, 0, 33, 3, 64, 64},
};

Problem make_problem(const ShapeCase& c, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = c.batch;
  s.num_q_heads = c.q_heads;
  s.seqlen_q = c.seqlen_q;
  s.seqlen_kv = c.seqlen_kv;
  s.head_dim_qk = c.head_dim_qk;
  s.head_dim_v = c.head_dim_v;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 1 / std::sqrt(static_cast<double>(c.head_dim_qk));
  problem.mechanism = bind_kv_heads(parse_mechanism(c.mechanism), c.q_heads, c.kv_heads);
  if (c.seqlen_q != c.seqlen_kv) problem.phase = Phase::decode;
  return problem;
}

/// error <= 2 x (error of the plain form) + 4 ulp max|o|, and the log-sum-exp to its own rounding.
void expect_correct(const Problem& problem, const Tensors& tensors) {
  const auto rows = reference::sample_rows(problem, 96);
  const auto& [exact, plain] = testing_support::expectation(problem, tensors, rows);
  double largest = 0, plain_error = 0, error = 0;
  for (std::size_t n = 0; n < exact[Role::o].size(); ++n) {
    const auto width = exact[Role::o].size() / rows.size();
    const double got = element(tensors[Role::o], rows[n / width], static_cast<std::int64_t>(n % width));
    ASSERT_TRUE(std::isfinite(got));
    largest = std::max(largest, std::abs(exact[Role::o][n]));
    for (const auto& form : plain)
      plain_error = std::max(plain_error, std::abs(form[Role::o][n] - exact[Role::o][n]));
    error = std::max(error, std::abs(got - exact[Role::o][n]));
  }
  EXPECT_LE(error, 2 * plain_error + 4 * unit_in_last_place(problem.shape.dtype_o) * largest);
  if (!tensors[Role::lse]) return;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const double got = *tensors[Role::lse].row<float>(rows[n].batch, rows[n].head, rows[n].query);
    if (std::isinf(exact[Role::lse][n])) {
      EXPECT_EQ(got, exact[Role::lse][n]);
    } else {
      EXPECT_NEAR(got, exact[Role::lse][n], 5e-4 + 1e-6 * std::abs(exact[Role::lse][n]));
    }
  }
}

/// Every element of a view becomes `value`.
void fill(const TensorView& view, float value) {
  const std::vector<float> row(static_cast<std::size_t>(view.sizes[3]), value);
  for (std::int64_t b = 0; b < view.sizes[0]; ++b) {
    for (std::int64_t h = 0; h < view.sizes[1]; ++h) {
      for (std::int64_t i = 0; i < view.sizes[2]; ++i) reference::store_row(view, b, h, i, row.data());
    }
  }
}

/// A path and, of the portable one, the vector instruction set: 0 is the one it chooses.
struct PathCase {
  std::string path;
  DType dtype;
  std::int64_t target = 0;
};

void PrintTo(const PathCase& c, std::ostream* out) {
  *out << c.path << '_' << name(c.dtype);
  if (c.target != 0) *out << '_' << hwy::TargetName(c.target);
}

class FusedSoftmax : public testing::TestWithParam<PathCase> {
 protected:
  void SetUp() override {
    if (emulated() && emulated_amx_kernel() == nullptr) GTEST_SKIP() << "not built for this processor";
    const auto problem = make_problem(kShapes[0], dtype());
    const auto support = kernel(problem).supports(problem, cpu_device(1));
    if (!support) GTEST_SKIP() << "not run on these instructions: " << support.reason();
    if (GetParam().target != 0) use_targets(GetParam().target);
  }
  void TearDown() override {
    if (GetParam().target == 0) return;
    EXPECT_EQ(cpu::fused::portable_target(), GetParam().target);
    use_targets(0);
  }
  static void use_targets(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  static DType dtype() { return GetParam().dtype; }
  static bool emulated() { return GetParam().path == "amx_emulated"; }
  /// The path asked for and no other.
  static const KernelInfo& kernel(const Problem& problem) {
    if (emulated()) return *emulated_amx_kernel();
    const auto* found = find_kernel({problem.mechanism, "fused", "cpu", GetParam().path});
    EXPECT_NE(found, nullptr);
    EXPECT_EQ(found->path(), GetParam().path);
    return *found;
  }
  static void run(const Problem& problem, const Tensors& tensors, int threads) {
    auto device = cpu_device(1);
    device.threads = threads;
    const auto queue = device.make_queue();
    const auto execution = kernel(problem).prepare(problem, device);
    EXPECT_EQ(execution->workspace_bytes(), kernel(problem).workspace_bytes(problem, device));
    run_once(*execution, problem, tensors, *queue);
  }
};

TEST_P(FusedSoftmax, MatchesTheOracleOnHardInputs) {
  for (const auto& shape : kShapes) {
    const auto problem = make_problem(shape, dtype());
    for (const auto kind : reference::all_input_kinds()) {
      for (const bool with_lse : {false, true}) {
        SCOPED_TRACE(shape.mechanism + " " + std::string(reference::name(kind)) + (with_lse ? " lse" : ""));
        const auto data = reference::make_data(problem, kind, 7, with_lse);
        run(problem, data.tensors, 1);
        expect_correct(problem, data.tensors);
      }
    }
  }
}

TEST_P(FusedSoftmax, ThreadsShareRowsAndSplitKeys) {
  for (const auto& shape : kShapes) {
    const auto problem = make_problem(shape, dtype());
    for (const int threads : {2, 3, 16}) {
      SCOPED_TRACE(shape.mechanism + " " + std::to_string(threads));
      const bool with_lse = threads != 3;
      const auto data = reference::make_data(problem, reference::InputKind::normal, 3, with_lse);
      run(problem, data.tensors, threads);
      expect_correct(problem, data.tensors);
    }
  }
}

TEST_P(FusedSoftmax, ReadsAnyRowStrideAndWritesOnlyItsRows) {
  for (const std::int64_t queries : {70, 5}) {
    SCOPED_TRACE(queries);
    constexpr std::int64_t kKeys = 170;
    auto problem = make_problem({"gqa(kv=2)", 2, 4, 2, queries, kKeys, 64, 80}, dtype());
    problem.shape.softmax_scale = -0.1;
    const auto bytes = size_bytes(dtype());
    constexpr std::int64_t kGap = 24;
    std::vector<Buffer> memory;
    const auto view = [&](std::int64_t heads, std::int64_t tokens, std::int64_t head_dim) {
      const auto row = head_dim + kGap;
      memory.emplace_back(2 * heads * tokens * row * bytes);
      std::fill_n(memory.back().as<unsigned char>(), memory.back().bytes(), static_cast<unsigned char>(0xff));
      // Heads inside rows: (batch, sequence, heads, head_dim).
      return TensorView{memory.back().data(),
                        dtype(),
                        {2, heads, tokens, head_dim},
                        {tokens * heads * row, row, heads * row, 1}};
    };
    Tensors tensors;
    tensors[Role::q] = view(4, queries, 64);
    tensors[Role::k] = view(2, kKeys, 64);
    tensors[Role::v] = view(2, kKeys, 80);
    tensors[Role::o] = view(4, queries, 80);
    reference::fill_inputs(problem, reference::InputKind::normal, 5, tensors);
    run(problem, tensors, 2);
    expect_correct(problem, tensors);
    for (std::int64_t i = 0; i < queries; ++i) {
      const auto* gap =
          reinterpret_cast<const unsigned char*>(tensors[Role::o].data) + (i * 4 * (80 + kGap) + 80) * bytes;
      EXPECT_TRUE(std::all_of(gap, gap + kGap * bytes, [](unsigned char byte) { return byte == 0xff; }));
    }
  }
}

/// A global key's scores far above and far below those of the block's own keys, of either sign by row.
TEST_P(FusedSoftmax, GlobalKeyStandsOut) {
  for (const double factor : {30.0, 0.0}) {
    for (const double others : {1.0, 30.0}) {
      SCOPED_TRACE(std::to_string(factor) + " " + std::to_string(others));
      const auto problem =
          make_problem({"block_sparse(bs=32,globals=1)", 1, 1, 0, 160, 160, 64, 64}, dtype());
      const auto data = reference::make_data(problem, reference::InputKind::normal, 9, false);
      for (std::int64_t key = 0; key < 160; ++key) {
        for (std::int64_t d = 0; d < 64; ++d) {
          const double by = key == 0 ? factor : others;
          const auto& k = data.tensors[Role::k];
          set_element(k, 0, 0, key, d, static_cast<float>(get_element(k, 0, 0, key, d) * by));
        }
      }
      run(problem, data.tensors, 1);
      expect_correct(problem, data.tensors);
    }
  }
}

/// Scores of 2^31 and far beyond, which no product with the scale leaves exact: of one key, or of equal ones,
/// the output is their value and the log-sum-exp scale q k + log(keys).
TEST_P(FusedSoftmax, HugeEqualScoresGiveTheValue) {
  // Weights are rounded alike, sums are not: one ulp of two-byte types, the roundings of 200 additions in
  // f32.
  const double relative = dtype() == DType::f32 ? 0x1p-17 : unit_in_last_place(dtype());
  const std::vector<float> wide = {133120.0F, -133120.0F, 1e15F, 3.0F, 1e-15F};
  const std::vector<float> narrow = {65280.0F, -65280.0F, 3.0F, 0x1p-14F};
  for (const float x : dtype() == DType::f16 ? narrow : wide) {
    for (const double sign : {1.0, -1.0}) {
      for (const std::int64_t head_dim : {16, 64}) {
        for (const auto& [rows, keys] : std::vector<std::pair<std::int64_t, std::int64_t>>{
                 {1, 1}, {3, 3}, {40, 40}, {200, 200}, {5, 40}, {25, 200}}) {
          SCOPED_TRACE(testing::Message() << x << " " << sign << " " << head_dim << " " << keys);
          auto problem = make_problem({"mha", 1, 1, 0, rows, keys, head_dim, head_dim}, dtype());
          problem.shape.softmax_scale *= sign;
          for (const bool with_lse : {false, true}) {
            const auto data = reference::make_data(problem, reference::InputKind::zero_q, 1, with_lse);
            for (const auto* view : {&data.tensors[Role::q], &data.tensors[Role::k], &data.tensors[Role::v]})
              fill(*view, x);
            run(problem, data.tensors, 1);
            const double value = element(data.tensors[Role::v], {0, 0, 0}, 0);
            const double lse = problem.shape.softmax_scale * value * value * static_cast<double>(head_dim) +
                               std::log(static_cast<double>(keys));
            for (std::int64_t i = 0; i < rows; ++i) {
              ASSERT_NEAR(element(data.tensors[Role::o], {0, 0, i}, head_dim - 1), value,
                          std::abs(value) * relative);
              if (!with_lse) continue;
              ASSERT_NEAR(*data.tensors[Role::lse].row<float>(0, 0, i), lse, std::abs(lse) * 0x1p-20 + 1e-5);
            }
          }
        }
      }
    }
  }
}

/// The same below -1e30: of two keys the less negative score takes all, by whichever sign.
TEST_P(FusedSoftmax, TheLessNegativeOfHugeScoresWins) {
  for (const std::int64_t rows : {1, 5, 40}) {
    const auto problem = make_problem({"mha", 1, 1, 0, rows, 40, 64, 64}, dtype());
    const auto data = reference::make_data(problem, reference::InputKind::normal, 1, true);
    const float size = dtype() == DType::f16 ? 0x1p15F : 0x1p50F;
    fill(data.tensors[Role::q], -size);
    for (std::int64_t key = 0; key < 40; ++key) {
      auto one = data.tensors[Role::k];
      one.data = one.row<char>(0, 0, 0) + key * one.strides[2] * size_bytes(dtype());
      one.sizes[2] = 1;
      fill(one, key == 33 ? size : 1.5F * size);  // scores -2^106 and -1.5 2^106 (f16: 2^36), times 1/8
    }
    run(problem, data.tensors, 1);
    for (std::int64_t i = 0; i < rows; ++i) {
      EXPECT_EQ(element(data.tensors[Role::o], {0, 0, i}, 7), element(data.tensors[Role::v], {0, 0, 33}, 7));
      EXPECT_EQ(*data.tensors[Role::lse].row<float>(0, 0, i), -8 * size * size);
    }
  }
}

/// softmax_scale at both ends of what is accepted.
TEST_P(FusedSoftmax, TakesTheSmallestAndTheLargestScale) {
  for (const double scale : {1.2e-38, 2.3e38}) {
    for (const double sign : {1.0, -1.0}) {
      for (const std::int64_t rows : {2, 5, 40}) {
        SCOPED_TRACE(std::to_string(std::log10(scale)) + " " + std::to_string(sign) + " " +
                     std::to_string(rows));
        auto problem = make_problem({"mha", 1, 1, 0, rows, 40, 64, 64}, dtype());
        problem.shape.softmax_scale = sign * scale;
        validate(problem);
        const auto data = reference::make_data(problem, reference::InputKind::zero_q, 1, false);
        fill(data.tensors[Role::q], 1);
        run(problem, data.tensors, 1);
        expect_correct(problem, data.tensors);
      }
    }
  }
}

/// Whatever finite values hidden keys have, rows that do not see them do not change.
TEST_P(FusedSoftmax, HiddenKeysDoNotMatter) {
  for (const auto& shape : kShapes) {
    const auto problem = make_problem(shape, dtype());
    test::expect_hidden_keys_do_not_matter(kernel(problem), problem);
  }
}

TEST_P(FusedSoftmax, NanStaysInItsRows) {
  for (const std::int64_t rows : {3, 8, 64}) {
    const auto problem = make_problem({"mha", 1, 1, 0, rows, 64, 64, 64}, dtype());
    const auto data = reference::make_data(problem, reference::InputKind::normal, 4, false);
    set_element(data.tensors[Role::q], 0, 0, 2, 7, NAN);
    run(problem, data.tensors, 1);
    for (std::int64_t i = 0; i < rows; ++i) {
      EXPECT_EQ(std::isnan(element(data.tensors[Role::o], {0, 0, i}, 5)), i == 2) << i << " of " << rows;
    }
  }
}

TEST_P(FusedSoftmax, DecodesWithFewerKeysThanPrepared) {
  for (const std::int64_t queries : {1, 5}) {
    const ShapeCase prepared{"gqa(kv=2)", 1, 8, 2, queries, 3000, 64, 64};
    const auto problem = make_problem(prepared, dtype());
    const auto device = cpu_device(1);
    const auto execution = kernel(problem).prepare(problem, device);
    const auto queue = device.make_queue();
    for (const std::int64_t keys : {1, 31, 64, 1501, 3000}) {
      auto shorter = prepared;
      shorter.seqlen_kv = keys;
      const auto now = make_problem(shorter, dtype());
      const auto data = reference::make_data(now, reference::InputKind::normal, 11, true);
      run_once(*execution, problem, data.tensors, *queue);
      expect_correct(now, data.tensors);
    }
  }
}

TEST_P(FusedSoftmax, RefusesWithAReason) {
  auto problem = make_problem(kShapes[0], dtype());
  problem.shape.head_dim_qk = 72;
  EXPECT_NE(kernel(problem).supports(problem, cpu_device(1)).reason().find("72"), std::string::npos);
  problem = make_problem(kShapes[0], dtype());
  problem.shape.dtype_o = dtype() == DType::f32 ? DType::bf16 : DType::f32;
  EXPECT_FALSE(kernel(problem).supports(problem, cpu_device(1)));
  if (GetParam().path == "portable") return;
  // f16 is never run as the other type of two bytes.
  for (const auto other : kDTypes) {
    if (other == dtype()) continue;
    problem = make_problem(kShapes[0], other);
    EXPECT_EQ(kernel(problem).supports(problem, cpu_device(1)).reason(),
              std::string(name(dtype())) + " only, not " + std::string(name(other)));
  }
  problem = make_problem(kShapes[0], dtype());
  auto device = cpu_device(1);
  device.features = {};
  EXPECT_THAT(kernel(problem).supports(problem, device).reason(),
              testing::MatchesRegex(
                  "this CPU lacks (AVX-512|AVX-512 BF16|AVX-512 VBMI|AMX BF16|FEAT_BF16|FEAT_FHM)"));
}

/// Each with every vector instruction set this CPU has, which TearDown finds in use.
std::vector<PathCase> portable_cases() {
  std::vector<PathCase> cases;
  for (auto targets = cpu::fused::portable_targets(); targets != 0; targets &= targets - 1) {
    for (const auto dtype : kDTypes) cases.push_back({"portable", dtype, targets & -targets});
  }
  return cases;
}

std::string case_name(const testing::TestParamInfo<PathCase>& info) {
  return testing::PrintToString(info.param);
}

INSTANTIATE_TEST_SUITE_P(Paths, FusedSoftmax,
                         testing::Values(PathCase{"portable", DType::f32}, PathCase{"portable", DType::bf16},
                                         PathCase{"portable", DType::f16}),
                         case_name);
#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(X86, FusedSoftmax,
                         testing::Values(PathCase{"amx", DType::bf16}, PathCase{"amx_emulated", DType::bf16},
                                         PathCase{"avx512bf16", DType::bf16}, PathCase{"avx512", DType::f32}),
                         case_name);
#elif defined(__aarch64__)
INSTANTIATE_TEST_SUITE_P(Arm, FusedSoftmax,
                         testing::Values(PathCase{"neonbf16", DType::bf16}, PathCase{"neonf16", DType::f16}),
                         case_name);
#endif
INSTANTIATE_TEST_SUITE_P(Targets, FusedSoftmax, testing::ValuesIn(portable_cases()), case_name);

TEST(PortableTargets, EachHasCodeOfItsOwn) {
  std::set<decltype(cpu::fused::BlockKernel::attend)> tiles, few;
  for (auto targets = cpu::fused::portable_targets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    for (const auto dtype : kDTypes) {
      const auto* path = cpu::fused::portable_path(dtype);
      EXPECT_TRUE(tiles.insert(path->tile.attend).second) << hwy::TargetName(targets & -targets);
      EXPECT_TRUE(few.insert(path->few.attend).second) << hwy::TargetName(targets & -targets);
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

}  // namespace
}  // namespace attnbench
