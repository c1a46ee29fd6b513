#include "attnbench/mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "attnbench/error.h"
#include "core/allowed_pairs.h"
#include "reference/mask.h"

namespace attnbench {
namespace {

TEST(Mechanism, CanonicalTextRoundTrips) {
  for (const auto* text :
       {"mha", "mha(causal)", "gqa(kv=4)", "gqa(kv=2,causal)", "mqa", "swa(w=64)", "swa(w=64,causal)",
        "block_sparse(bs=32,globals=1)", "block_sparse(bs=7,globals=0,causal)", "linear", "causal_linear"}) {
    EXPECT_EQ(to_string(parse_mechanism(text)), text);
  }
}

TEST(Mechanism, AnythingElseIsRejectedByName) {
  const auto message_of = [](const char* text) -> std::string {
    try {
      parse_mechanism(text);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message_of("mah"), testing::HasSubstr("did you mean 'mha'"));
  EXPECT_THAT(message_of("swa"), testing::HasSubstr("swa(w=NUMBER)"));
  EXPECT_THAT(message_of("swa(w=0)"), testing::HasSubstr("w=0"));
  EXPECT_THAT(message_of("swa(w=x)"), testing::HasSubstr("'x'"));
  EXPECT_THAT(message_of("swa(causal,w=8)"), testing::HasSubstr("swa(causal,w=8)"));
  EXPECT_THAT(message_of("block_sparse(globals=1,bs=8)"), testing::HasSubstr("'bs' in place 1"));
  EXPECT_THAT(message_of("linear(causal)"), testing::HasSubstr("causal_linear"));
  EXPECT_THAT(message_of("gqa(kv=4"), testing::HasSubstr("parenthesis"));
  EXPECT_THAT(message_of("mha()"), testing::HasSubstr("parameters"));
}

TEST(Mechanism, AllowedKeysOfEachMask) {
  const auto keys = [](const char* text, std::int64_t position, std::int64_t seqlen_kv) {
    const auto allowed = allowed_keys(parse_mechanism(text), position, seqlen_kv);
    std::vector<std::int64_t> list;
    for (auto j = allowed.globals.begin; j < allowed.globals.end; ++j) list.push_back(j);
    for (auto j = allowed.local.begin; j < allowed.local.end; ++j) list.push_back(j);
    return list;
  };
  using testing::ElementsAre;
  EXPECT_THAT(keys("mha", 1, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(keys("mha(causal)", 1, 3), ElementsAre(0, 1));
  EXPECT_THAT(keys("mha(causal)", -1, 3), ElementsAre());
  EXPECT_THAT(keys("swa(w=3)", 4, 9), ElementsAre(3, 4, 5));
  EXPECT_THAT(keys("swa(w=4)", 4, 9), ElementsAre(2, 3, 4, 5, 6));
  EXPECT_THAT(keys("swa(w=4)", 0, 2), ElementsAre(0, 1));
  EXPECT_THAT(keys("swa(w=3,causal)", 4, 9), ElementsAre(2, 3, 4));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=1)", 4, 8), ElementsAre(0, 3, 4, 5));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=1)", 7, 8), ElementsAre(0, 6, 7));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=1)", 0, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=5)", 7, 8), ElementsAre(0, 1, 2, 3, 4, 6, 7));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=5)", 5, 8), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=1,causal)", 4, 8), ElementsAre(0, 3, 4));
  EXPECT_THAT(keys("block_sparse(bs=3,globals=2,causal)", 1, 8), ElementsAre(0, 1));
  EXPECT_THAT(keys("causal_linear", 2, 8), ElementsAre(0, 1, 2));
}

TEST(Mechanism, AllowedPairsAreTheSumOverAllRows) {
  for (const auto* text : {"mha",
                           "mha(causal)",
                           "gqa(kv=2)",
                           "mqa(causal)",
                           "swa(w=1)",
                           "swa(w=2)",
                           "swa(w=5)",
                           "swa(w=5,causal)",
                           "swa(w=4,causal)",
                           "swa(w=100)",
                           "swa(w=100,causal)",
                           "block_sparse(bs=1,globals=0)",
                           "block_sparse(bs=3,globals=0)",
                           "block_sparse(bs=3,globals=1)",
                           "block_sparse(bs=3,globals=1,causal)",
                           "block_sparse(bs=4,globals=6)",
                           "block_sparse(bs=4,globals=6,causal)",
                           "block_sparse(bs=2,globals=0,causal)",
                           "block_sparse(bs=100,globals=2,causal)",
                           "block_sparse(bs=5,globals=100)"}) {
    const auto mechanism = parse_mechanism(text);
    for (std::int64_t queries = 1; queries <= 24; ++queries) {
      for (std::int64_t keys = 0; keys <= 24; ++keys) {
        std::int64_t expected = 0;
        for (std::int64_t i = 0; i < queries; ++i)
          expected += allowed_keys(mechanism, i + keys - queries, keys).size();
        EXPECT_EQ(allowed_pairs(mechanism, queries, keys), static_cast<double>(expected))
            << text << ", " << queries << " queries, " << keys << " keys";
      }
    }
  }
}

// By the oracle's own mask, key by key.
TEST(Mechanism, SeenKeysAndSeeingQueriesAreTheUnionOverAllRows) {
  for (const auto* text :
       {"mha", "mha(causal)", "swa(w=1)", "swa(w=5)", "swa(w=4)", "swa(w=5,causal)", "swa(w=4,causal)",
        "swa(w=100,causal)", "block_sparse(bs=1,globals=0)", "block_sparse(bs=3,globals=0,causal)",
        "block_sparse(bs=3,globals=1)", "block_sparse(bs=3,globals=1,causal)", "block_sparse(bs=4,globals=6)",
        "block_sparse(bs=4,globals=6,causal)", "block_sparse(bs=100,globals=2,causal)",
        "block_sparse(bs=5,globals=100,causal)", "linear", "causal_linear"}) {
    const auto mechanism = parse_mechanism(text);
    for (std::int64_t queries = 1; queries <= 20; ++queries) {
      for (std::int64_t keys = 0; keys <= 20; ++keys) {
        std::set<std::int64_t> seen, seeing;
        for (std::int64_t i = 0; i < queries; ++i) {
          for (std::int64_t j = 0; j < keys; ++j) {
            if (!reference::may_see(mechanism, i + keys - queries, j)) continue;
            seen.insert(j);
            seeing.insert(i);
          }
        }
        EXPECT_EQ(seen_keys(mechanism, queries, keys), static_cast<std::int64_t>(seen.size()))
            << text << ", " << queries << " queries, " << keys << " keys";
        EXPECT_EQ(seeing_queries(queries, keys), static_cast<std::int64_t>(seeing.size()));
      }
    }
  }
}

TEST(Mechanism, AllowedPairsOfSizesThatNoLoopEnds) {
  constexpr std::int64_t kLong = std::int64_t{1} << 40;
  constexpr std::int64_t kWidest = std::numeric_limits<std::int64_t>::max();
  const auto pairs = [](Mechanism mechanism, std::int64_t queries) {
    return allowed_pairs(mechanism, queries, kLong);
  };
  EXPECT_EQ(pairs(parse_mechanism("mha"), kLong), 0x1p80);
  EXPECT_EQ(pairs(parse_mechanism("swa(w=1)"), kLong), 0x1p40);
  EXPECT_EQ(pairs(parse_mechanism("block_sparse(bs=1024,globals=0)"), kLong), 0x1p50);
  auto wide = parse_mechanism("swa(w=1)");
  wide.window = kWidest;
  EXPECT_EQ(pairs(wide, 1), 0x1p40);
  auto one_block = parse_mechanism("block_sparse(bs=1,globals=1)");
  one_block.block_size = one_block.globals = kWidest;
  EXPECT_EQ(pairs(one_block, 1), 0x1p40);
  EXPECT_EQ(seen_keys(wide, 1, kLong), kLong);
  EXPECT_EQ(seen_keys(one_block, 1, kLong), kLong);
  EXPECT_EQ(seen_keys(parse_mechanism("block_sparse(bs=1024,globals=3)"), 1, kLong), 1027);
}

}  // namespace
}  // namespace attnbench
