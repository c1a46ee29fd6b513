#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "attnbench/error.h"
#include "plan/find_study.h"
#include "plan/study_json.h"

namespace attnbench {
namespace {

using nlohmann::json;

TEST(StudyJson, EveryBuiltInStudySurvivesTheRoundTrip) {
  for (const auto& name : study_names()) {
    const auto study = find_study(name);
    EXPECT_EQ(study_from_json(json::parse(to_json(study).dump())), study) << name;
  }
}

TEST(StudyJson, EveryFieldOfACellSurvivesTheRoundTrip) {
  Cell cell;
  cell.shape = {.batch = 2,
                .num_q_heads = 6,
                .seqlen_q = 3,
                .seqlen_kv = 5,
                .head_dim_qk = 8,
                .head_dim_v = 16,
                .dtype_q = DType::bf16,
                .dtype_kv = DType::f16,
                .dtype_o = DType::f32,
                .layout = Layout::bshd,
                .softmax_scale = 0.1,
                .d_model = 48,
                .seqlens_kv = {4, 5}};
  cell.scope = Scope::layer;
  cell.phase = Phase::decode;
  cell.condition = Condition::cold;
  cell.threads = 7;
  cell.kv_heads = 3;
  cell.mechanisms = {bind_kv_heads(parse_mechanism("swa(w=9,causal)"), 6, 3)};
  cell.kernels = {"fused", ":amx"};
  cell.baseline = "mha/unfused@cpu";
  EXPECT_FALSE(to_json(cell).contains("other_baselines")) << "hashes of plans made before there were lists";
  EXPECT_EQ(cell_from_json(json::parse(to_json(cell).dump())), cell);
  cell.other_baselines = {"mha/unfused_f32@cpu"};
  EXPECT_EQ(cell_from_json(json::parse(to_json(cell).dump())), cell);
}

TEST(StudyJson, ProfilesSurviveTheRoundTrip) {
  for (const auto& name : profile_names()) {
    const auto profile = parse_profile(name);
    EXPECT_EQ(profile_from_json(json::parse(to_json(profile).dump())), profile);
  }
}

TEST(StudyJson, MissingAndIllTypedFieldsAreNamed) {
  const auto good = to_json(find_study("smoke"));
  for (const auto* field : {"name", "description", "cells"}) {
    auto bad = good;
    bad.erase(field);
    try {
      study_from_json(bad);
      FAIL() << field;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), testing::StartsWith(std::string(field) + ": "));
    }
  }
  auto bad = good;
  bad["cells"][0]["threads"] = "many";
  EXPECT_THROW(study_from_json(bad), InputError);
  auto profile = to_json(parse_profile("quick"));
  profile["processes"] = json::array();
  EXPECT_THROW(profile_from_json(profile), InputError);
}

TEST(PlanJson, EveryProfileComesBack) {
  for (const auto& name : profile_names()) {
    const auto profile = parse_profile(name);
    EXPECT_EQ(profile_from_json(json::parse(to_json(profile).dump())), profile) << name;
  }
  // As stored before there was another rule than publish's: the hashes of such plans must not change.
  EXPECT_EQ(
      to_json(parse_profile("publish")).dump(),
      R"({"blocks":30,"default_path_only":false,"name":"publish","processes":[10,15,20,30],"reruns":1.0,)"
      R"("stops_on_width":true,"unbatched_calls":20,"warmup_limit_calls":50,"warmup_limit_seconds":2.0})");
}

TEST(PlanHash, ChangesWithWhatIsMeasuredAndWithNothingElse) {
  const auto study = find_study("smoke");
  const auto quick = parse_profile("quick");
  const auto hash = plan_hash(study, quick, 1);
  EXPECT_THAT(hash, testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(plan_hash(study_from_json(json::parse(to_json(study).dump())), quick, 1), hash);
  auto renamed = study;
  renamed.name = "other";
  renamed.description = "words";
  EXPECT_EQ(plan_hash(renamed, quick, 1), hash);

  std::set<std::string> hashes = {hash};
  EXPECT_TRUE(hashes.insert(plan_hash(study, quick, 2)).second);
  EXPECT_TRUE(hashes.insert(plan_hash(study, parse_profile("spec"), 1)).second);
  auto profile = quick;
  profile.blocks = 11;
  EXPECT_TRUE(hashes.insert(plan_hash(study, profile, 1)).second);
  const auto changed = [&](auto change) {
    auto other = study;
    change(other.cells.at(1));
    EXPECT_TRUE(hashes.insert(plan_hash(other, quick, 1)).second);
  };
  changed([](Cell& c) { c.shape.seqlen_kv = 65; });
  changed([](Cell& c) { c.threads = 3; });
  changed([](Cell& c) { c.condition = Condition::cold; });
  changed([](Cell& c) { c.mechanisms.pop_back(); });
  changed([](Cell& c) { c.kernels = {"fused"}; });
  changed([](Cell& c) { c.baseline = "mqa/unfused@cpu"; });
  changed([](Cell& c) { c.other_baselines = {}; });
}

TEST(Fnv1a128, GivesThePublishedVectors) {
  // draft-eastlake-fnv: the offset basis, and the test strings "a" and "foobar".
  EXPECT_EQ(fnv1a_128(""), "6c62272e07bb014262b821756295c58d");
  EXPECT_EQ(fnv1a_128("a"), "d228cb696f1a8caf78912b704e4a8964");
  EXPECT_EQ(fnv1a_128("foobar"), "343e1662793c64bf6f0d3597ba446f18");
}

}  // namespace
}  // namespace attnbench
