#include "attnbench/mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnbench/error.h"

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

}  // namespace
}  // namespace attnbench
