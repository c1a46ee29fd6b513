#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnbench/error.h"
#include "plan/find_study.h"
#include "plan/overrides.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> mechanisms(const Cell& cell) {
  std::vector<std::string> list;
  for (const auto& mechanism : cell.mechanisms) list.push_back(to_string(mechanism));
  return list;
}

std::string error_of(const char* study, const StudyOverrides& overrides) {
  try {
    find_study(study, overrides);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Overrides, NoneChangeNothing) { EXPECT_EQ(find_study("paper", {}), find_study("paper")); }

TEST(Overrides, LengthsReplaceThoseOfBothPhases) {
  const auto paper = find_study("paper", {.seqlen = {300}});
  EXPECT_EQ(paper.cells.size(), 4u);  // 2 scopes x 2 types
  for (const auto& cell : paper.cells) {
    EXPECT_EQ(cell.shape.seqlen_q, 300);
    EXPECT_EQ(cell.shape.seqlen_kv, 300);
  }
  const auto decode = find_study("decode", {.seqlen = {100, 200}});
  EXPECT_EQ(decode.cells.size(), 4u);
  for (const auto& cell : decode.cells) EXPECT_EQ(cell.shape.seqlen_q, 1);
  EXPECT_EQ(decode.cells[1].shape.seqlen_kv, 200);
}

TEST(Overrides, TheScaleFollowsTheHeadDim) {
  for (const auto& cell : find_study("paper", {.head_dim = {16}}).cells) {
    EXPECT_EQ(cell.shape.head_dim_qk, 16);
    EXPECT_EQ(cell.shape.head_dim_v, 16);
    EXPECT_EQ(cell.shape.softmax_scale, 0.25);
  }
}

TEST(Overrides, AxesReplace) {
  const auto study = find_study("smoke", {.heads = {8, 16},
                                          .batch = {3},
                                          .threads = {1},
                                          .dtype = {DType::f16},
                                          .condition = {Condition::cold},
                                          .layout = {Layout::bshd}});
  EXPECT_EQ(study.cells.size(), 4u);  // 2 scopes x 2 heads
  EXPECT_EQ(study.cells[1].id(), "core-prefill-cold-f16-bshd-b3-h16-q64-kv64-d32-t1");
}

TEST(Overrides, ScopeAndPhaseKeepWhatMatches) {
  const auto layer = find_study("paper", {.scope = {Scope::layer}});
  EXPECT_EQ(layer.cells.size(), 8u);
  for (const auto& cell : layer.cells) EXPECT_EQ(cell.scope, Scope::layer);
  EXPECT_EQ(find_study("paper", {.scope = {Scope::core}}).cells.size(), 8u);
  EXPECT_EQ(find_study("gpt2-small", {.phase = {Phase::decode}}).cells.size(), 6u);
  EXPECT_EQ(find_study("llm", {.phase = {Phase::prefill}}).cells.size(), 16u);
}

TEST(Overrides, WhatLeavesNoCellSaysWhich) {
  EXPECT_THAT(error_of("decode", {.scope = {Scope::layer}}),
              AllOf(HasSubstr("scope: 'layer' leaves no cell of study 'decode'"), HasSubstr("has core")));
  EXPECT_THAT(error_of("paper", {.phase = {Phase::decode}}),
              AllOf(HasSubstr("phase: 'decode'"), HasSubstr("has prefill")));
  EXPECT_THAT(error_of("decode", {.mechanisms = parse_mechanism_filters("mqa,linear")}),
              AllOf(HasSubstr("mechanism: 'linear' leaves no cell"), HasSubstr("gqa(kv=8), mqa")));
}

TEST(Overrides, InvalidProblemsAreRefused) {
  EXPECT_THAT(error_of("paper", {.heads = {6}}),
              AllOf(Not(HasSubstr("paper.toml")), HasSubstr("num_kv_heads: '4'")));
  EXPECT_THAT(error_of("paper", {.seqlen = {0}}), HasSubstr("seqlen_q: '0'"));
}

TEST(Overrides, MechanismsByKindOrForm) {
  const auto kinds = find_study("paper", {.mechanisms = parse_mechanism_filters("swa,mqa")});
  EXPECT_EQ(kinds.cells.size(), 16u);
  EXPECT_THAT(mechanisms(kinds.cells[0]), ElementsAre("swa(w=32)", "swa(w=64)", "swa(w=128)", "mqa"));
  // The baseline is measured all the same.
  EXPECT_EQ(to_string(kinds.cells[0].measured_mechanisms()[0]), "mha");
  const auto form = find_study("paper", {.mechanisms = parse_mechanism_filters("swa(w=256),swa(w=64)")});
  EXPECT_THAT(mechanisms(form.cells[0]), ElementsAre("swa(w=256)", "swa(w=64)"));
}

TEST(Overrides, ATableWithoutTheMechanismDropsOut) {
  auto tables = parse_study_tables(R"toml(name = "two"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 0
batch = 1
heads = 8
head_dim = 64
seqlen = 128
softmax_scale = "rsqrt"
mechanisms = ["mha", "swa(w=64)"]
kernels = ["unfused", "swa(w=64)/gather"]
baseline = "mha/unfused@cpu"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 0
batch = 1
heads = 8
head_dim = 64
seqlen = 256
softmax_scale = "rsqrt"
mechanisms = ["linear"]
baseline = "mha/unfused@cpu"
)toml",
                                   "two.toml");
  auto swa = tables;
  apply_overrides({.mechanisms = parse_mechanism_filters("swa")}, swa);
  const auto cells = expand(swa).cells;
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].shape.seqlen_q, 128);

  // Filters and baselines that name a mechanism change with it.
  apply_overrides({.causal = true}, tables);
  const auto causal = expand(tables).cells;
  EXPECT_THAT(causal[0].kernels, ElementsAre("unfused", "swa(w=64,causal)/gather"));
  EXPECT_THAT(mechanisms(causal[1]), ElementsAre("causal_linear"));
}

TEST(Overrides, CausalChangesMechanismsAndBaseline) {
  const auto study = find_study("paper", {.causal = true});
  EXPECT_EQ(study.cells.size(), 16u);
  EXPECT_EQ(study.cells[0].baseline, "mha(causal)/unfused@cpu");
  EXPECT_THAT(mechanisms(study.cells[0]),
              ElementsAre("mha(causal)", "gqa(kv=4,causal)", "mqa(causal)", "swa(w=32,causal)",
                          "swa(w=64,causal)", "swa(w=128,causal)", "block_sparse(bs=32,globals=1,causal)",
                          "block_sparse(bs=64,globals=1,causal)", "causal_linear"));
  const auto some =
      find_study("paper", {.causal = true, .mechanisms = parse_mechanism_filters("mha,linear,swa(w=64)")});
  EXPECT_THAT(mechanisms(some.cells[0]), ElementsAre("mha(causal)", "causal_linear", "swa(w=64,causal)"));
}

TEST(Overrides, KvHeadsReachGqaAndItsBaseline) {
  const auto one = find_study("decode", {.kv_heads = {4}});
  EXPECT_THAT(mechanisms(one.cells[0]), ElementsAre("gqa(kv=4)", "mqa"));
  EXPECT_THAT(one.cells[0].baselines(), ElementsAre("gqa(kv=4)/unfused@cpu", "gqa(kv=4)/unfused_f32@cpu"));
  const auto two = find_study("decode", {.kv_heads = {4, 2}});
  EXPECT_EQ(two.cells.size(), 16u);
  EXPECT_THAT(mechanisms(two.cells[0]), ElementsAre("gqa(kv=4)", "mqa", "gqa(kv=2)"));
  EXPECT_EQ(find_study("mistral-7b", {.kv_heads = {2}}).cells[0].mechanisms[1].num_kv_heads, 2);
  // One kernel id cannot stand for two numbers of kv heads.
  EXPECT_THAT(error_of("mistral-7b", {.kv_heads = {4, 2}}),
              AllOf(HasSubstr("kv_heads: '2' differs from 4"), HasSubstr("swa(w=4096,causal)")));
}

TEST(Overrides, TheBaselineKeepsItsKvHeadsWhenFilteredOut) {
  auto tables = parse_study_tables(R"toml(name = "n"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 0
batch = 1
heads = 8
kv_heads = 2
head_dim = 64
seqlen = 128
softmax_scale = "rsqrt"
mechanisms = ["swa(w=8)", "mqa"]
baseline = "swa(w=8)/masked@cpu"
)toml",
                                   "n.toml");
  apply_overrides({.mechanisms = parse_mechanism_filters("mqa")}, tables);
  EXPECT_EQ(expand(tables).cells.at(0).measured_mechanisms().at(0).num_kv_heads, 2);
}

TEST(Overrides, KernelsReplaceTheFilters) {
  const auto study = find_study("paper", {.kernels = {"gather", "masked"}});
  EXPECT_THAT(study.cells[0].kernels, ElementsAre("gather", "masked"));
}

TEST(MechanismFilters, RejectUnknownNames) {
  for (const auto* text : {"mah", "swa(w=0)", "mha,", "linear(causal)"}) {
    EXPECT_THROW(parse_mechanism_filters(text), InputError) << text;
  }
  try {
    parse_mechanism_filters("mha,liner");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("mechanism: 'liner'"), HasSubstr("did you mean 'linear'")));
  }
}

}  // namespace
}  // namespace attnbench
