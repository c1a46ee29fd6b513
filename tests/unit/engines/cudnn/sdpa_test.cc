// Engine cudnn without a GPU: the band it tells cuDNN, what it refuses, what cuDNN's frontend takes. Where no
// cuDNN is, the frontend cannot be asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "engines/cudnn/library.h"
#include "engines/cudnn/sdpa_graph.h"
#include "reference/mask.h"

namespace attnbench {
namespace {

using cudnn::Band;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CudnnBand, KeepsWhatTheReferenceSees) {
  for (const auto* text :
       {"mha", "mha(causal)", "gqa(kv=2,causal)", "mqa", "swa(w=1)", "swa(w=6)", "swa(w=7)",
        "swa(w=1,causal)", "swa(w=7,causal)", "swa(w=1000)", "swa(w=1000,causal)"}) {
    const auto mechanism = parse_mechanism(text);
    for (const std::int64_t keys : {1, 2, 7, 19}) {
      for (std::int64_t queries = 1; queries <= keys; ++queries) {
        const auto band = cudnn::band_of(mechanism, queries, keys);
        const auto shift = keys - queries;
        for (std::int64_t i = 0; i < queries; ++i) {
          for (std::int64_t j = 0; j < keys; ++j) {
            const bool kept = (band.left < 0 || i + shift - band.left < j) &&
                              (band.right < 0 || j <= i + shift + band.right);
            EXPECT_EQ(kept, reference::may_see(mechanism, i + shift, j))
                << text << ", " << queries << " queries, " << keys << " keys, query " << i << ", key " << j;
          }
        }
      }
    }
  }
}

TEST(CudnnBand, SetsNoBoundThatExcludesNothing) {
  const auto band = [](const char* text, std::int64_t queries, std::int64_t keys) {
    return cudnn::band_of(parse_mechanism(text), queries, keys);
  };
  EXPECT_EQ(band("mha", 8, 8), Band{});
  EXPECT_EQ(band("mha(causal)", 8, 8), (Band{-1, 0}));
  EXPECT_EQ(band("mha(causal)", 1, 8), Band{}) << "one new token sees all keys";
  EXPECT_EQ(band("mha(causal)", 2, 8), (Band{-1, 0}));
  // Half a window of 4 is two keys on each side, a bound of 3 leaves the query's own and two before it.
  EXPECT_EQ(band("swa(w=4)", 8, 8), (Band{3, 2}));
  EXPECT_EQ(band("swa(w=4,causal)", 8, 8), (Band{4, 0}));
  EXPECT_EQ(band("swa(w=4,causal)", 1, 8), (Band{4, 0})) << "never a left bound alone";
  EXPECT_EQ(band("swa(w=14)", 8, 8), Band{}) << "the window holds all keys of every query";
  EXPECT_EQ(band("swa(w=8,causal)", 8, 8), (Band{-1, 0}));
}

Problem cudnn_problem(const char* mechanism, std::int64_t queries, std::int64_t keys,
                      std::int64_t head_dim = 64, DType dtype = DType::bf16) {
  Problem p;
  p.shape = {.batch = 2,
             .num_q_heads = 8,
             .seqlen_q = queries,
             .seqlen_kv = keys,
             .head_dim_qk = head_dim,
             .head_dim_v = head_dim,
             .dtype_q = dtype,
             .dtype_kv = dtype,
             .dtype_o = dtype,
             .softmax_scale = 0.125};
  p.mechanism = bind_kv_heads(parse_mechanism(mechanism), 8, 0);
  p.phase = queries == keys ? Phase::prefill : Phase::decode;
  return p;
}

TEST(Cudnn, RefusesInWords) {
  EXPECT_EQ(cudnn::problem_support(cudnn_problem("mha", 64, 64, 64, DType::f32)).reason(),
            "cuDNN's attention takes bf16 and f16 alone");
  auto lengths = cudnn_problem("mha", 1, 64);
  lengths.shape.seqlens_kv = {3, 64};
  EXPECT_THAT(cudnn::problem_support(lengths).reason(), HasSubstr("seqlens_kv"));
  EXPECT_TRUE(cudnn::problem_support(cudnn_problem("mha", 64, 64)));
  auto negative = cudnn_problem("mha(causal)", 64, 64);
  negative.shape.softmax_scale = -0.2;
  EXPECT_THAT(cudnn::problem_support(negative).reason(), HasSubstr("softmax_scale is negative"));
  negative.mechanism = parse_mechanism("swa(w=20,causal)");
  EXPECT_TRUE(cudnn::problem_support(negative)) << "right where it has a left bound";
  negative.mechanism = parse_mechanism("mha");
  EXPECT_TRUE(cudnn::problem_support(negative));
  auto one_token = cudnn_problem("mha(causal)", 1, 64);
  one_token.shape.softmax_scale = -0.2;
  EXPECT_TRUE(cudnn::problem_support(one_token)) << "no mask";
  EXPECT_TRUE(cudnn::problem_support(cudnn_problem("mha", 64, 64, 64, DType::f16)));

  const auto* kernel = find_kernel({parse_mechanism("mha"), "sdpa", "cudnn", ""});
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(kernel->supports(cudnn_problem("mha", 64, 64), cpu_device(1)).reason(),
            "computes on CUDA devices alone");
}

TEST(Cudnn, TellsWhichLibraryWasLoaded) {
  const auto& library = cudnn::library();
  EXPECT_NE(library.version.empty(), library.why_missing.empty());
  auto libraries = engine_libraries();
  EXPECT_EQ(libraries["cudnn"], library.version + library.why_missing);
  EXPECT_THAT(libraries["cudnn"], Not(HasSubstr("/")));
  EXPECT_THAT(libraries["cudnn_frontend"], testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  if (library.why_missing.empty()) {
    EXPECT_THAT(library.version, testing::MatchesRegex("9\\.[0-9]+\\.[0-9]+"));
  }
}

class CudnnFrontend : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto& why = cudnn::library().why_missing; !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(CudnnFrontend, TakesEachForm) {
  for (const auto dtype : {DType::bf16, DType::f16}) {
    for (const std::int64_t head_dim : {64, 128}) {
      for (const auto* text : {"mha", "mha(causal)", "gqa(kv=2)", "gqa(kv=2,causal)", "mqa", "mqa(causal)",
                               "swa(w=32)", "swa(w=32,causal)", "swa(w=1,causal)"}) {
        // Prefill, decode of one and eight queries, and queries before the first key.
        for (const auto& [queries, keys] : {std::pair{256, 256}, {33, 33}, {1, 77}, {8, 4096}, {90, 35}}) {
          for (const auto layout : {Layout::bhsd, Layout::bshd}) {
            auto problem = cudnn_problem(text, queries, keys, head_dim, dtype);
            problem.shape.layout = layout;
            EXPECT_NO_THROW(cudnn::SdpaGraph(problem, keys))
                << text << ", " << queries << " queries, " << keys << " keys, D = " << head_dim;
          }
        }
      }
    }
  }
}

TEST_F(CudnnFrontend, ItsRefusalIsTheReason) {
  try {
    cudnn::SdpaGraph graph(cudnn_problem("mha", 64, 64, 33), 64);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cuDNN " + cudnn::library().version),
                                    HasSubstr("multiple of 8"), Not(HasSubstr("\n"))));
  }
}

}  // namespace
}  // namespace attnbench
