#include "plan/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "attnbench/error.h"
#include "plan/find_study.h"
#include "plan/study_json.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// A valid study; tests change single lines of it. The table begins in line 3.
constexpr const char* kStudy = R"(name = "mine"
description = "For tests"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 2
batch = 1
heads = 8
head_dim = 64
seqlen = 128
softmax_scale = "rsqrt"
mechanisms = ["mha", "linear"]
baseline = "mha/unfused@cpu"
)";

/// kStudy with the line of `key` replaced, or removed where `line` is empty.
std::string with(const std::string& key, const std::string& line, std::string text = kStudy) {
  const auto begin = text.find("\n" + key + " = ") + 1;
  const auto end = text.find('\n', begin) + 1;
  return text.replace(begin, end - begin, line.empty() ? "" : line + "\n");
}

std::string error_of(const std::string& text) {
  try {
    load_study(text, "mine.toml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<std::string> ids(const Study& study) {
  std::vector<std::string> list;
  for (const auto& cell : study.cells) list.push_back(cell.id());
  return list;
}

std::vector<std::string> mechanism_names_of(const Cell& cell) {
  std::vector<std::string> list;
  for (const auto& mechanism : cell.mechanisms) list.push_back(to_string(mechanism));
  return list;
}

TEST(LoadStudy, ReadsACell) {
  const auto study = load_study(kStudy, "mine.toml");
  EXPECT_EQ(study.name, "mine");
  EXPECT_EQ(study.description, "For tests");
  ASSERT_THAT(ids(study), ElementsAre("core-prefill-hot-f32-bhsd-b1-h8-q128-kv128-d64-t2"));
  const auto& cell = study.cells[0];
  EXPECT_EQ(cell.shape.softmax_scale, 0.125);
  EXPECT_EQ(cell.shape.d_model, 0);
  EXPECT_EQ(cell.mechanisms[0].num_kv_heads, 8);
  EXPECT_EQ(cell.baseline, "mha/unfused@cpu");
}

TEST(LoadStudy, ListsAndRangesFormACrossProduct) {
  auto text = with("seqlen", "seqlen = [\"32..64*2\", 100]");
  text = with("dtype", "dtype = [\"f32\", \"bf16\"]", text);
  text = with("scope", "scope = [\"core\", \"layer\"]\nd_model = 512", text);
  EXPECT_THAT(ids(load_study(text, "m")),
              ElementsAre("core-prefill-hot-f32-bhsd-b1-h8-q32-kv32-d64-t2",
                          "core-prefill-hot-f32-bhsd-b1-h8-q64-kv64-d64-t2",
                          "core-prefill-hot-f32-bhsd-b1-h8-q100-kv100-d64-t2",
                          "core-prefill-hot-bf16-bhsd-b1-h8-q32-kv32-d64-t2",
                          "core-prefill-hot-bf16-bhsd-b1-h8-q64-kv64-d64-t2",
                          "core-prefill-hot-bf16-bhsd-b1-h8-q100-kv100-d64-t2",
                          "layer-prefill-hot-f32-bhsd-b1-h8-q32-kv32-d64-m512-t2",
                          "layer-prefill-hot-f32-bhsd-b1-h8-q64-kv64-d64-m512-t2",
                          "layer-prefill-hot-f32-bhsd-b1-h8-q100-kv100-d64-m512-t2",
                          "layer-prefill-hot-bf16-bhsd-b1-h8-q32-kv32-d64-m512-t2",
                          "layer-prefill-hot-bf16-bhsd-b1-h8-q64-kv64-d64-m512-t2",
                          "layer-prefill-hot-bf16-bhsd-b1-h8-q100-kv100-d64-m512-t2"));
}

TEST(LoadStudy, EveryElementTypeHasItsId) {
  EXPECT_THAT(ids(load_study(with("dtype", "dtype = [\"f32\", \"bf16\", \"f16\"]"), "m")),
              ElementsAre("core-prefill-hot-f32-bhsd-b1-h8-q128-kv128-d64-t2",
                          "core-prefill-hot-bf16-bhsd-b1-h8-q128-kv128-d64-t2",
                          "core-prefill-hot-f16-bhsd-b1-h8-q128-kv128-d64-t2"));
}

TEST(LoadStudy, DecodeCrossesQueriesAndKeys) {
  auto text = with("phase", "phase = [\"prefill\", \"decode\"]\nseqlen_q = [1, 2]\nseqlen_kv = [256, 512]");
  const auto study = load_study(text, "m");
  EXPECT_EQ(study.cells.size(), 5u);
  EXPECT_EQ(study.cells[2].id(), "core-decode-hot-f32-bhsd-b1-h8-q1-kv512-d64-t2");
  EXPECT_EQ(study.cells[2].phase, Phase::decode);
}

TEST(LoadStudy, KvHeadsBindMechanismsWhoseNameDoesNotGiveThem) {
  auto text =
      with("mechanisms", "mechanisms = [\"mha\", \"gqa(kv=4)\", \"mqa\", \"swa(w=8)\"]\nkv_heads = 2");
  const auto cell = load_study(text, "m").cells.at(0);
  std::vector<std::int64_t> heads;
  for (const auto& mechanism : cell.mechanisms) heads.push_back(mechanism.num_kv_heads);
  EXPECT_THAT(heads, ElementsAre(8, 4, 1, 2));
}

TEST(LoadStudy, ErrorsNameFileLineFieldAndValue) {
  EXPECT_THAT(error_of(with("heads", "heads = [8, \"x\"]")), AllOf(StartsWith("mine.toml:11: heads: 'x'")));
  EXPECT_THAT(error_of(with("heads", "heads = 8.5")),
              StartsWith("mine.toml:11: heads: '8.5' is not a whole number"));
  EXPECT_THAT(error_of(with("heads", "heads = []")),
              StartsWith("mine.toml:11: heads: '[]' is an empty list"));
  EXPECT_THAT(error_of(with("dtype", "dtype = \"fp32\"")),
              AllOf(StartsWith("mine.toml:7: dtype: 'fp32'"), HasSubstr("f32")));
  EXPECT_THAT(error_of(with("dtype", "dtype = 32")), StartsWith("mine.toml:7: dtype: '32' is not a text"));
  EXPECT_THAT(error_of(with("mechanisms", "mechanisms = [\"mah\"]")),
              AllOf(StartsWith("mine.toml:15: mechanism: 'mah'"), HasSubstr("did you mean 'mha'")));
  EXPECT_THAT(error_of(with("baseline", "baseline = \"unfused\"")),
              AllOf(StartsWith("mine.toml:16: baseline: 'unfused'"), HasSubstr("names no mechanism")));
  EXPECT_THAT(error_of(with("baseline", "baseline = \"mah/unfused@cpu\"")), HasSubstr("did you mean 'mha'"));
  EXPECT_THAT(error_of(with("softmax_scale", "softmax_scale = \"sqrt\"")),
              StartsWith("mine.toml:14: softmax_scale: 'sqrt' is neither"));
  EXPECT_THAT(error_of(with("softmax_scale", "softmax_scale = nan")),
              StartsWith("mine.toml:14: softmax_scale: 'nan' is neither"));
  EXPECT_THAT(error_of(with("heads", "head = 8")),
              AllOf(StartsWith("mine.toml:11: key: 'head' is not known"), HasSubstr("did you mean 'heads'")));
  EXPECT_THAT(error_of("nam = \"x\"\n"), AllOf(StartsWith("mine.toml:1:"), HasSubstr("did you mean 'name'")));
  EXPECT_THAT(error_of("name = \"x\"\ncells = 3\n"), StartsWith("mine.toml:2: cells: '3'"));
  EXPECT_THAT(error_of("name = \"x\"\n"), HasSubstr("[[cells]]"));
  EXPECT_THAT(error_of("name = \n"), StartsWith("mine.toml:1: not valid TOML"));
  EXPECT_THAT(error_of(std::string("\x7f\x45\x4c\x46\x00\xff", 6)), HasSubstr("not valid TOML"));
}

TEST(LoadStudy, BaselinesMayBeAList) {
  const auto cell =
      load_study(with("baseline", "baseline = [\"mha/unfused@cpu\", \"mqa/unfused_f32@cpu\"]"), "m").cells[0];
  EXPECT_EQ(cell.baseline, "mha/unfused@cpu");
  EXPECT_THAT(cell.baselines(), ElementsAre("mha/unfused@cpu", "mqa/unfused_f32@cpu"));
  EXPECT_EQ(to_string(cell.measured_mechanisms().front()), "mqa") << "it is measured beside mha and linear";
  EXPECT_TRUE(load_study(kStudy, "m").cells[0].other_baselines.empty());
  EXPECT_THAT(error_of(with("baseline", "baseline = []")),
              StartsWith("mine.toml:16: baseline: '[]' is an empty list"));
  EXPECT_THAT(error_of(with("baseline", "baseline = [\"mha/unfused@cpu\", \"unfused_f32\"]")),
              AllOf(StartsWith("mine.toml:16: baseline: 'unfused_f32'"), HasSubstr("names no mechanism")));
  const std::string table = std::string(kStudy).substr(std::string(kStudy).find("[[cells]]"));
  EXPECT_THAT(error_of(kStudy + with("baseline", "baseline = [\"mha/unfused@cpu\", \"mha/b@x\"]", table)),
              HasSubstr("baseline: 'mha/unfused@cpu, mha/b@x' differs from 'mha/unfused@cpu'"));
}

TEST(Cell, TheFirstBaselineThatIsThereIsItsOwn) {
  Cell cell;
  cell.baseline = "mha/a@x";
  cell.other_baselines = {"mha/b@x", "mha/c@x"};
  cell.mechanisms = {parse_mechanism("mha"), parse_mechanism("mqa")};
  EXPECT_EQ(cell.baseline_among({"mha/c@x", "mha/b@x"}), "mha/b@x");
  EXPECT_EQ(cell.baseline_among({"mha/b@x", "mha/a@x"}), "mha/a@x");
  EXPECT_EQ(cell.baseline_among({"mha/other@x"}), "mha/a@x");

  EXPECT_TRUE(cell.is_spare_beside("mha/a@x", "mha/c@x"));
  EXPECT_TRUE(cell.is_spare_beside("mha/a@x", "mqa/b@x")) << "the same implementation";
  EXPECT_FALSE(cell.is_spare_beside("mha/b@x", "mqa/b@x"));
  EXPECT_FALSE(cell.is_spare_beside("mha/b@x", "mha/a@x")) << "it comes before";
  EXPECT_FALSE(cell.is_spare_beside("mha/a@x", "mha/b@y"));
  cell.kernels = {"a", "!b"};
  EXPECT_TRUE(cell.is_spare_beside("mha/a@x", "mha/b@x"));
  EXPECT_TRUE(cell.keeps("mha/b@x")) << "it may be the baseline";
  cell.kernels = {"@x", "mha"};
  EXPECT_TRUE(cell.is_spare_beside("mha/a@x", "mha/b@x")) << "they name no kernel";
  cell.kernels = {"b@x"};
  EXPECT_FALSE(cell.is_spare_beside("mha/a@x", "mha/b@x")) << "it is asked for";
}

TEST(LoadStudy, NothingIsTakenForGranted) {
  for (const auto* key : {"scope", "phase", "condition", "dtype", "layout", "threads", "batch", "heads",
                          "head_dim", "seqlen", "softmax_scale", "mechanisms", "baseline"}) {
    EXPECT_THAT(error_of(with(key, "")),
                AllOf(StartsWith("mine.toml:3: "), HasSubstr("'" + std::string(key) + "' is missing")));
  }
  // Linear attention has no scale.
  auto linear = with("mechanisms", "mechanisms = [\"linear\"]", with("softmax_scale", ""));
  linear = with("baseline", "baseline = \"linear/two_gemm@cpu\"", linear);
  EXPECT_EQ(error_of(linear), "accepted");
}

TEST(LoadStudy, KeysBelongToTheirScopeAndPhase) {
  EXPECT_THAT(error_of(with("scope", "scope = \"layer\"")),
              HasSubstr("'d_model' is missing for scope layer"));
  EXPECT_THAT(error_of(with("scope", "scope = \"core\"\nd_model = 512")), HasSubstr("'d_model' is given"));
  EXPECT_THAT(error_of(with("phase", "phase = \"decode\"\nseqlen_q = 1\nseqlen_kv = 8")),
              HasSubstr("'seqlen' is given"));
  EXPECT_THAT(error_of(with("seqlen", "seqlen_q = 1\nseqlen_kv = 8", with("phase", "phase = \"decode\""))),
              "accepted");
  EXPECT_THAT(error_of(with("seqlen", "seqlen_kv = 8", with("phase", "phase = \"decode\""))),
              HasSubstr("'seqlen_q' is missing for phase decode"));
}

TEST(LoadStudy, EveryProblemIsValidated) {
  EXPECT_THAT(error_of(with("heads", "heads = 0")),
              AllOf(StartsWith("mine.toml:3: "), HasSubstr("num_q_heads: '0'")));
  EXPECT_THAT(error_of(with("batch", "batch = -1")), HasSubstr("batch: '-1'"));
  EXPECT_THAT(error_of(with("mechanisms", "mechanisms = [\"gqa(kv=3)\"]")), HasSubstr("num_kv_heads: '3'"));
  EXPECT_THAT(error_of(with("threads", "threads = -1")), HasSubstr("threads: '-1'"));
  EXPECT_THAT(error_of(with("seqlen", "seqlen = 4000000000000000000")), HasSubstr("overflows"));
  EXPECT_THAT(error_of(with("batch", "batch = \"1..9000+1\"\nkv_heads = [1, 2]")),
              HasSubstr("more than 10000"));
}

TEST(LoadStudy, TablesOfTheSameCellAreMergedOrRefused) {
  const std::string table = std::string(kStudy).substr(std::string(kStudy).find("[[cells]]"));
  const auto merged = load_study(kStudy + with("mechanisms", "mechanisms = [\"mqa\", \"mha\"]", table), "m");
  ASSERT_EQ(merged.cells.size(), 1u);
  EXPECT_THAT(mechanism_names_of(merged.cells[0]), ElementsAre("mha", "linear", "mqa"));
  EXPECT_THAT(error_of(kStudy + with("baseline", "baseline = \"mqa/unfused@cpu\"", table)),
              AllOf(StartsWith("mine.toml:17: baseline: 'mqa/unfused@cpu'"), HasSubstr("'mha/unfused@cpu'"),
                    HasSubstr("core-prefill-hot-f32-bhsd-b1-h8-q128-kv128-d64-t2")));
  EXPECT_THAT(
      error_of(kStudy + with("baseline", "baseline = \"mha/unfused@cpu\"\nkernels = \"fused\"", table)),
      HasSubstr("kernels: 'fused' differs"));
  EXPECT_THAT(error_of(kStudy + with("heads", "heads = 8\nkv_heads = 4", table)),
              AllOf(HasSubstr("kv_heads: '4' differs from 8"), HasSubstr("linear")));
}

TEST(CellId, NamesWhatDiffersFromTheUsual) {
  auto cell = load_study(kStudy, "m").cells.at(0);
  std::set<std::string> all = {cell.id()};
  const auto expect_new = [&](auto change, const std::string& part) {
    auto changed = cell;
    change(changed);
    EXPECT_THAT(changed.id(), HasSubstr(part));
    EXPECT_TRUE(all.insert(changed.id()).second) << changed.id();
  };
  expect_new([](Cell& c) { c.shape.head_dim_v = 32; }, "-v32");
  expect_new([](Cell& c) { c.shape.softmax_scale = 0.25; }, "-s0.25");
  expect_new([](Cell& c) { c.shape.seqlens_kv = {100}; }, "-n100");
  expect_new([](Cell& c) { c.shape.dtype_kv = DType::bf16; }, "-f32.bf16.f32-");
  expect_new([](Cell& c) { c.condition = Condition::cold; }, "-cold-");
  expect_new([](Cell& c) { c.shape.layout = Layout::bshd; }, "-bshd-");
  expect_new([](Cell& c) { c.threads = 1; }, "-t1");
  auto same = cell;
  same.mechanisms.clear();
  same.kernels = {"fused"};
  same.baseline = "mqa/unfused@cpu";
  EXPECT_EQ(same.id(), cell.id());
}

TEST(Cell, KeepsWhatItsFiltersMatchAndTheBaseline) {
  auto cell = load_study(with("mechanisms", "mechanisms = [\"linear\", \"swa(w=64)\"]"), "m").cells.at(0);
  EXPECT_TRUE(cell.keeps("mha/unfused@cpu"));
  EXPECT_FALSE(cell.keeps("mha/fused@cpu"));
  EXPECT_TRUE(cell.keeps("linear/two_gemm@cpu"));
  EXPECT_FALSE(cell.keeps("swa(w=32)/gather@cpu"));
  cell.kernels = {"gather", ":amx"};
  EXPECT_TRUE(cell.keeps("swa(w=64)/gather@cpu"));
  EXPECT_TRUE(cell.keeps("linear/fused@cpu:amx"));
  EXPECT_FALSE(cell.keeps("linear/fused@cpu:avx512"));
  EXPECT_TRUE(cell.keeps("mha/unfused@cpu"));
  const auto measured = cell.measured_mechanisms();
  ASSERT_EQ(measured.size(), 3u);
  EXPECT_EQ(to_string(measured[0]), "mha");
  EXPECT_EQ(measured[0].num_kv_heads, 8);
}

TEST(Cell, LeavesOutWhatASignExcludes) {
  Cell cell;
  cell.baseline = "mha/unfused@cpu";
  cell.mechanisms = {parse_mechanism("mha"), parse_mechanism("swa(w=64)")};
  cell.kernels = {"!gather", "!swa(w=64)/masked@cpu"};
  EXPECT_TRUE(cell.keeps("mha/fused@other")) << "nothing is to be kept alone";
  EXPECT_FALSE(cell.keeps("swa(w=64)/gather@other"));
  EXPECT_FALSE(cell.keeps("swa(w=64)/masked@cpu"));
  EXPECT_TRUE(cell.keeps("swa(w=64)/masked@other"));
  EXPECT_FALSE(cell.keeps("linear/fused@cpu")) << "not a mechanism of the cell";
  cell.kernels = {"@cpu", "!unfused", "!fused"};
  EXPECT_FALSE(cell.keeps("mha/fused@cpu"));
  EXPECT_FALSE(cell.keeps("mha/flash@other"));
  EXPECT_TRUE(cell.keeps("swa(w=64)/masked@cpu"));
  EXPECT_TRUE(cell.keeps("mha/unfused@cpu")) << "the baseline";
}

TEST(Cell, MayHaveNumbersOfItsOwn) {
  const auto study = load_study(
      with("baseline", "baseline = \"mha/unfused@cpu\"\nprocesses = 7\nblocks = 4\npaths = \"default\""),
      "m");
  ASSERT_EQ(study.cells.size(), 1u);
  const auto& cell = study.cells[0];
  const auto spec = for_cell(parse_profile("spec"), cell);
  EXPECT_THAT(spec.processes, ElementsAre(7));
  EXPECT_EQ(spec.blocks, 4);
  EXPECT_EQ(spec.unbatched_calls, 0);
  EXPECT_TRUE(spec.default_path_only);
  const auto publish = for_cell(parse_profile("publish"), cell);
  EXPECT_THAT(publish.processes, ElementsAre(10, 15, 20, 30)) << "its looks belong to its stopping rule";
  EXPECT_EQ(publish.blocks, 4);
  const auto plain = load_study(kStudy, "m").cells[0];
  EXPECT_EQ(for_cell(parse_profile("quick"), plain), parse_profile("quick"));
  EXPECT_EQ(plain.id(), cell.id());
  EXPECT_EQ(cell_from_json(to_json(cell)), cell);
  EXPECT_FALSE(to_json(plain).contains("blocks")) << "plans of before have the same hash";

  EXPECT_THAT(error_of(with("threads", "threads = 2\nprocesses = 0")),
              StartsWith("mine.toml:10: processes: '0'"));
  EXPECT_THAT(error_of(with("threads", "threads = 2\nblocks = \"5\"")),
              StartsWith("mine.toml:10: blocks: '5'"));
  EXPECT_THAT(error_of(with("threads", "threads = 2\npaths = \"one\"")),
              StartsWith("mine.toml:10: paths: 'one'"));
  const std::string table = std::string(kStudy).substr(std::string(kStudy).find("[[cells]]"));
  EXPECT_THAT(error_of(kStudy + with("heads", "heads = 8\nblocks = 5", table)),
              HasSubstr("blocks: '5' differs from 0 in the same cell"));
}

TEST(KernelMatches, AnyPartOfAnId) {
  const auto* id = "swa(w=64)/fused@cpu:amx";
  for (const auto* filter :
       {"fused", "@cpu", ":amx", "fused@cpu", "fused:amx", "@cpu:amx", "swa(w=64)/", "swa(w=64)/fused",
        "swa(w=64)/@cpu", "swa(w=64)/fused@cpu:amx", "swa", "swa(w=64)"}) {
    EXPECT_TRUE(kernel_matches(filter, id)) << filter;
  }
  for (const auto* filter :
       {"gather", "@onednn", ":avx512", "fuse", "swa(w=32)/", "mha/fused", "cpu", "amx", "sw", "swa(w=32)"}) {
    EXPECT_FALSE(kernel_matches(filter, id)) << filter;
  }
  EXPECT_FALSE(kernel_matches("linear", "causal_linear/cumsum@cpu"));
}

TEST(Profiles, AreTheFourDesigns) {
  const auto quick = parse_profile("quick");
  EXPECT_EQ(quick.processes, std::vector<int>{3});
  EXPECT_EQ(quick.blocks, 10);
  EXPECT_EQ(quick.unbatched_calls, 5);
  EXPECT_EQ(quick.warmup_limit_seconds, 0.25);
  EXPECT_EQ(quick.most_tries(3), 4);
  EXPECT_EQ(quick.warmup_limit_calls, 50);
  EXPECT_TRUE(quick.default_path_only);
  const auto report = parse_profile("report");
  EXPECT_THAT(report.processes, ElementsAre(5, 8, 12));
  EXPECT_EQ(report.blocks, 10);
  EXPECT_TRUE(report.stops_on_width && report.default_path_only);
  EXPECT_EQ(report.aa_half_width, 0.025);
  EXPECT_EQ(report.ratio_half_width, 0.05);
  EXPECT_EQ(report.budget_seconds, 600);
  const auto spec = parse_profile("spec");
  EXPECT_EQ(spec.processes, std::vector<int>{5});
  EXPECT_EQ(spec.blocks, 20);
  EXPECT_EQ(spec.warmup_limit_seconds, 2);
  EXPECT_EQ(spec.most_tries(5), 10);
  EXPECT_FALSE(spec.default_path_only || spec.stops_on_width);
  const auto publish = parse_profile("publish");
  EXPECT_THAT(publish.processes, ElementsAre(10, 15, 20, 30));
  EXPECT_EQ(publish.blocks, 30);
  EXPECT_TRUE(publish.stops_on_width);
  EXPECT_EQ(publish.aa_half_width, 0.01);
  EXPECT_EQ(publish.ratio_half_width, 0.02);
  EXPECT_THROW(parse_profile("qick"), InputError);
  EXPECT_THAT(with_at_most(publish, 17).processes, ElementsAre(10, 15, 17));
  EXPECT_THAT(with_at_most(publish, 15).processes, ElementsAre(10, 15));
  EXPECT_THAT(with_at_most(quick, 8).processes, ElementsAre(3));
}

TEST(Profiles, MeasureF32FirstLookAfterLook) {
  std::vector<Cell> cells(5);
  const auto of_type = [&](std::size_t c, DType type) { cells[c].shape.dtype_q = type; };
  of_type(0, DType::f16);
  of_type(1, DType::f32);
  of_type(2, DType::bf16);
  of_type(3, DType::f32);
  of_type(4, DType::bf16);
  Profile profile;
  profile.processes = {5, 8};
  EXPECT_THAT(steps_of(profile, cells), ElementsAre(Step{{1, 3}, 5}, Step{{2, 4}, 5}, Step{{0}, 5},
                                                    Step{{1, 3}, 8}, Step{{2, 4}, 8}, Step{{0}, 8}));
}

TEST(FindStudy, AFileWinsOverANameAndAFolderDoesNot) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "find_study_test";
  std::filesystem::create_directories(folder / "paper");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  EXPECT_EQ(find_study("paper").name, "paper");
  std::ofstream("smoke") << kStudy;
  EXPECT_EQ(find_study("smoke").name, "mine");
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}

TEST(FindStudy, UnknownNamesGetTheNearest) {
  try {
    find_study("papr");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("study: 'papr'"), HasSubstr("did you mean 'paper'"), HasSubstr("decode")));
  }
}

TEST(StudyToml, KeysDeeperThanTheStackAreRefused) {
  for (const std::string begin : {"a", "[a", "[[a", "cells = 1\na"}) {
    std::string deep = begin;
    for (int i = 0; i < 300000; ++i) deep += ".a";
    EXPECT_THROW(load_study(deep + " = 1", "deep.toml"), InputError) << begin;
  }
}

struct BuiltIn {
  const char* name;
  std::size_t cells;
  std::size_t mechanisms;  ///< in each cell; 0: not the same in all
  const char* an_id;
};

class BuiltInStudy : public testing::TestWithParam<BuiltIn> {};

TEST_P(BuiltInStudy, HasItsCellsAndMechanisms) {
  const auto expected = GetParam();
  const auto study = find_study(expected.name);
  EXPECT_EQ(study.name, expected.name);
  EXPECT_FALSE(study.description.empty());
  EXPECT_EQ(study.cells.size(), expected.cells);
  for (const auto& cell : study.cells) {
    if (expected.mechanisms > 0) {
      EXPECT_EQ(cell.mechanisms.size(), expected.mechanisms) << cell.id();
    }
    EXPECT_EQ(cell.measured_mechanisms().size(), cell.mechanisms.size()) << "baseline outside the cell";
  }
  EXPECT_THAT(ids(study), testing::Contains(expected.an_id));
}

INSTANTIATE_TEST_SUITE_P(
    All, BuiltInStudy,
    testing::Values(
        // 4 lengths x 2 scopes x 2 types
        BuiltIn{"paper", 16, 11, "layer-prefill-hot-bf16-bhsd-b1-h8-q1024-kv1024-d64-m512-t0"},
        // 3 lengths x 2 thread counts
        BuiltIn{"aa", 4, 1, "core-prefill-hot-f32-bhsd-b1-h4-q256-kv256-d64-t1"},
        BuiltIn{"smoke", 4, 7, "core-prefill-hot-f32-bhsd-b1-h4-q64-kv64-d32-t0"},
        // 1024, 2048, 4096, 8192, 16384 x 2 types
        BuiltIn{"long", 10, 8, "core-prefill-hot-f32-bhsd-b1-h8-q16384-kv16384-d64-t0"},
        // 512 .. 65536: 8 lengths x 2 types
        BuiltIn{"decode", 16, 2, "core-decode-hot-bf16-bhsd-b1-h32-q1-kv65536-d128-t0"},
        // 128 .. 16384: 8 lengths x 2 phases x 2 types
        BuiltIn{"llm", 32, 1, "core-prefill-hot-bf16-bhsd-b1-h32-q16384-kv16384-d128-t0"},
        BuiltIn{"llama3-8b", 6, 1, "core-decode-hot-bf16-bhsd-b1-h32-q1-kv8192-d128-t0"},
        BuiltIn{"mistral-7b", 6, 2, "core-prefill-hot-bf16-bhsd-b1-h32-q4096-kv4096-d128-t0"},
        BuiltIn{"gemma2-9b", 4, 2, "core-prefill-hot-bf16-bhsd-b1-h16-q8192-kv8192-d256-t0"},
        BuiltIn{"qwen25-7b", 7, 1, "core-decode-hot-bf16-bhsd-b1-h28-q1-kv32768-d128-t0"},
        // paper: 4 lengths x 2 types x 2 thread counts; 2048: 4; 4096: 2; D = 128: 4; 8192: 2; decode: 3 x 2
        // x 2
        BuiltIn{"peers", 40, 0, "core-decode-hot-bf16-bhsd-b1-h32-q8-kv4096-d128-t2"},
        // paper: 4 lengths x 2 types; 3 lengths x 2 head sizes; decode: 3 x 2
        BuiltIn{"peers-gpu", 20, 0, "core-decode-hot-bf16-bhsd-b1-h32-q8-kv32768-d128-t1-cuda:0"},
        // 4 lengths x 2 scopes x 2 types
        BuiltIn{"gpu_paper", 16, 11, "layer-prefill-hot-bf16-bhsd-b1-h8-q1024-kv1024-d64-m512-t1-cuda:0"},
        // 1024 .. 131072: 8 lengths; D = 128: 2
        BuiltIn{"gpu_long", 10, 0, "core-prefill-hot-bf16-bhsd-b1-h8-q131072-kv131072-d64-t1-cuda:0"},
        // 3 numbers of queries x 4 lengths; 64 heads; a batch
        BuiltIn{"gpu_decode", 14, 0, "core-decode-hot-bf16-bhsd-b32-h32-q1-kv8192-d128-t1-cuda:0"},
        // prefill: 4 lengths hot and cold, 3 shapes; decode: 3 shapes hot and cold, 4 more
        BuiltIn{"gpu_bars", 21, 0, "core-decode-cold-bf16-bhsd-b1-h32-q8-kv4096-d128-t1-cuda:0"},
        BuiltIn{"gpt2-small", 18, 1, "layer-prefill-hot-f32-bhsd-b1-h12-q1024-kv1024-d64-m768-t0"}),
    [](const auto& study) {
      std::string name = study.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(BuiltInStudies, AreAllPinnedAbove) { EXPECT_EQ(study_names().size(), 17u); }

TEST(BuiltInStudies, ThePaperIsThePublishedDesign) {
  for (const auto& cell : find_study("paper").cells) {
    EXPECT_EQ(cell.shape.batch, 1);
    EXPECT_EQ(cell.shape.num_q_heads, 8);
    EXPECT_EQ(cell.shape.softmax_scale, 0.125);
    EXPECT_EQ(cell.shape.layout, Layout::bhsd);
    EXPECT_EQ(cell.shape.d_model, cell.scope == Scope::layer ? 512 : 0);
    EXPECT_EQ(cell.condition, Condition::hot);
    EXPECT_EQ(cell.threads, 0);
    EXPECT_THAT(cell.baselines(), ElementsAre("mha/unfused@cpu", "mha/unfused_f32@cpu"));
    EXPECT_TRUE(cell.kernels.empty());
    EXPECT_THAT(mechanism_names_of(cell),
                ElementsAre("mha", "gqa(kv=4)", "mqa", "mha(causal)", "swa(w=32)", "swa(w=64)", "swa(w=128)",
                            "block_sparse(bs=32,globals=1)", "block_sparse(bs=64,globals=1)", "linear",
                            "causal_linear"));
  }
}

TEST(BuiltInStudies, MistralsWindowReadsItsOwnKvHeads) {
  const auto cell = find_study("mistral-7b").cells.at(0);
  EXPECT_EQ(to_string(cell.mechanisms.at(1)), "swa(w=4096,causal)");
  EXPECT_EQ(cell.mechanisms.at(1).num_kv_heads, 8);
}

}  // namespace
}  // namespace attnbench
