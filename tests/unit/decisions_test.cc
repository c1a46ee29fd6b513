// What a run decides of a cell's kernels is stored; stores and exports of format 1 get it by one rule.
// tests/data holds one of each, as the program wrote them before format 2.
#include "core/decisions.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/compare.h"
#include "analysis/tables.h"
#include "store/export.h"
#include "store/format_1.h"
#include "store/import.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "unit/store_fixture.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

const std::string kFormat1 = ATTNBENCH_SOURCE_DIR "/tests/data/format1";

TEST(FormOf, KernelsThatKeepTheirScoresInRegistersAreFused) {
  for (const auto* kernel : {"fused", "chunked", "sdpa"}) EXPECT_EQ(form_of(kernel), "fused") << kernel;
  for (const auto* kernel :
       {"unfused", "gather", "masked", "batched", "two_gemm", "cumsum", "skeleton", "", "fuse"})
    EXPECT_EQ(form_of(kernel), "direct") << kernel;
}

KernelRecord path_of_fused(const std::string& path, const std::string& support_reason = "") {
  KernelRecord kernel;
  kernel.mechanism = "mha";
  kernel.kernel = "fused";
  kernel.engine = "cpu";
  kernel.path = path;
  kernel.num_kv_heads = 8;
  kernel.support_reason = support_reason;
  return kernel;
}

/// Ceilings at one and at two threads: vdpbf16ps is the faster unit at one thread and the slower at two.
RunRecord run_with_ceilings() {
  RunRecord run;
  const auto at = [](int threads, double fma, double vdpbf16ps) {
    return nlohmann::json{
        {"threads", threads},
        {"compute",
         {{{"unit", "fma"}, {"path", "avx512"}, {"dtype", "f32"}, {"flops_per_second", fma}},
          {{"unit", "vdpbf16ps"}, {"path", "avx512"}, {"dtype", "bf16"}, {"flops_per_second", vdpbf16ps}}}},
        {"bandwidth", nlohmann::json::array()}};
  };
  *run.environment = {{"ceilings", {{"1", at(1, 100e9, 200e9)}, {"2", at(2, 400e9, 300e9)}}}};
  return run;
}

std::string default_path_as_format_1(const RunRecord& run, int threads, std::vector<KernelRecord> kernels) {
  CellRecord cell;
  cell.device = "cpu";
  cell.threads = threads;
  cell.kernels = std::move(kernels);
  decide_as_format_1(run, cell);
  std::string paths;
  for (const auto& kernel : cell.kernels) {
    if (kernel.is_default_path) paths += kernel.path + ";";
  }
  return paths;
}

TEST(Format1, TheDefaultPathFollowsTheCeilingsOfTheCellsThreads) {
  const std::vector kernels{path_of_fused("portable"), path_of_fused("avx512bf16")};
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 1, kernels), "avx512bf16;");
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 2, kernels), "portable;");
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 4, kernels), "avx512bf16;")
      << "nothing measured: the more specialised";
}

TEST(PreferredPath, OnArmTheMatrixUnitCountsByItsOwnRate) {
  const std::vector<std::string_view> paths{"portable", "neonbf16"};
  const auto rates = [](double mul_add, double bfmmla) {
    Ceilings ceilings;
    ceilings.compute = {{"mul+add", "portable", DType::f32, mul_add},
                        {"bfmmla", "neonbf16", DType::bf16, bfmmla}};
    return ceilings;
  };
  EXPECT_EQ(preferred_path(paths, rates(100e9, 200e9)), 1u);
  EXPECT_EQ(preferred_path(paths, rates(100e9, 90e9)), 0u);
  EXPECT_EQ(preferred_path(paths, {}), 1u) << "nothing measured: the more specialised";
}

TEST(PreferredPath, RatesWithinFivePercentAreEqual) {
  const std::vector<std::string_view> paths{"portable", "neonf16"};
  const auto rates = [](double mul_add, double fmlal) {
    Ceilings ceilings;
    ceilings.compute = {{"mul+add", "portable", DType::f32, mul_add},
                        {"fmlal", "neonf16", DType::f16, fmlal}};
    return ceilings;
  };
  EXPECT_EQ(preferred_path(paths, rates(100e9, 99e9)), 1u);
  EXPECT_EQ(preferred_path(paths, rates(100e9, 95.5e9)), 1u);
  EXPECT_EQ(preferred_path(paths, rates(100e9, 94.5e9)), 0u);
  EXPECT_EQ(preferred_path(paths, rates(95.5e9, 100e9)), 1u);
}

TEST(PreferredPath, EqualIsWhatComesCloseToTheHighestRateAndNotToTheNext) {
  const std::vector<std::string_view> paths{"avx512", "avx512bf16", "amx"};
  Ceilings ceilings;
  ceilings.compute = {{"fma", "avx512", DType::f32, 100e9},
                      {"vdpbf16ps", "avx512", DType::bf16, 96e9},
                      {"tdpbf16ps", "amx", DType::bf16, 92e9}};
  EXPECT_EQ(preferred_path(paths, ceilings), 1u);
}

TEST(Format1, PathsThatAreNotSupportedDoNotCompete) {
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 1,
                                     {path_of_fused("portable"), path_of_fused("avx512bf16", "f32 only"),
                                      path_of_fused("amx", "this CPU lacks AMX BF16")}),
            "portable;");
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 1,
                                     {path_of_fused("portable", "no"), path_of_fused("amx", "no")}),
            "portable;amx;");
}

TEST(Format1, OtherKernelsDoNotCompete) {
  auto unfused = path_of_fused("");
  unfused.kernel = "unfused";
  auto other_engine = path_of_fused("avx512bf16");
  other_engine.engine = "onednn";
  auto other_mechanism = path_of_fused("amx");
  other_mechanism.mechanism = "mqa";
  EXPECT_EQ(default_path_as_format_1(run_with_ceilings(), 1,
                                     {path_of_fused("portable"), unfused, other_engine, other_mechanism}),
            "portable;;avx512bf16;amx;");
}

/// "mechanism/kernel:path form" of the default paths.
std::vector<std::string> defaults_of(const CellRecord& cell) {
  std::vector<std::string> found;
  for (const auto& kernel : cell.kernels) {
    if (kernel.is_default_path)
      found.push_back(kernel.mechanism + "/" + kernel.kernel + ":" + kernel.path + " " + kernel.form);
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Worked out from what is in the store: its machine has no AMX, no path of bf16 in f32 cells, and vdpbf16ps
/// is its fastest unit.
void expect_decisions_of_the_old_run(const RunContents& contents) {
  ASSERT_EQ(contents.cells.size(), 2U);
  EXPECT_THAT(defaults_of(contents.cells[0]),
              testing::ElementsAre("linear/fused:avx512 fused", "linear/two_gemm: direct",
                                   "mha/fused:avx512 fused", "mha/unfused: direct"));
  EXPECT_THAT(defaults_of(contents.cells[1]),
              testing::ElementsAre("linear/fused:avx512bf16 fused", "linear/two_gemm: direct",
                                   "mha/fused:avx512bf16 fused", "mha/unfused: direct"));
}

class Format1Files : public StoreFixture {
 protected:
  int format_of(const std::string& name) const {
    const sqlite::Connection connection(path(name), SQLITE_OPEN_READONLY);
    sqlite::Statement version(connection, "PRAGMA user_version");
    version.next();
    return version.take<int>();
  }
};

TEST_F(Format1Files, AreReadWithTheirDecisionsAndLeftAsTheyAre) {
  std::filesystem::copy_file(kFormat1 + ".db", path("old.db"));
  const auto before = read_text(path("old.db"));
  const auto from_store = read_runs(path("old.db"));
  ASSERT_EQ(from_store.size(), 1U);
  expect_decisions_of_the_old_run(from_store[0]);
  EXPECT_TRUE(read_text(path("old.db")) == before) << "reading must not change a store";
  const auto from_export = read_runs(kFormat1 + ".csv");
  ASSERT_EQ(from_export.size(), 1U);
  EXPECT_TRUE(from_export[0] == from_store[0]);
}

TEST_F(Format1Files, BecomeFormat2WhenWrittenTo) {
  std::filesystem::copy_file(kFormat1 + ".db", path("old.db"));
  const auto before = read_runs(path("old.db")).at(0);
  Store::open(path("old.db"), Store::Mode::write)
      .add_failure(1, {before.cells[0].cell_id, "", "measure", "x"});
  EXPECT_EQ(format_of("old.db"), 1) << "its own program can still go on with it";
  std::filesystem::remove(path("old.db"));
  std::filesystem::copy_file(kFormat1 + ".db", path("old.db"));
  Store::open(path("old.db"), Store::Mode::write).put_cell(1, before.cells[0]);
  EXPECT_EQ(format_of("old.db"), 2);
  EXPECT_TRUE(read_runs(path("old.db")).at(0) == before);

  // What is stored counts from now on, not what would follow from the ceilings.
  sqlite::Connection(path("old.db"), SQLITE_OPEN_READWRITE)
      .execute("UPDATE kernel SET is_default_path = (path = 'portable') WHERE kernel = 'fused'");
  Store::open(path("old.db"), Store::Mode::write).put_cell(1, before.cells[1]);
  EXPECT_THAT(defaults_of(read_runs(path("old.db")).at(0).cells[0]),
              testing::Contains("mha/fused:portable fused"));
}

TEST_F(Format1Files, MeetTheCellsOfFormat2InComparisons) {
  std::filesystem::copy_file(kFormat1 + ".db", path("new.db"));
  Store::open(path("new.db"), Store::Mode::write).put_cell(1, read_runs(path("new.db"))[0].cells[0]);
  ASSERT_EQ(format_of("new.db"), 2);
  const auto old_runs = read_runs(kFormat1 + ".csv");
  const auto new_runs = read_runs(path("new.db"));
  const auto comparison = compare_sessions(analyze(old_runs).runs[0], analyze(new_runs).runs[0],
                                           ComparisonBasis::kAbsolute, 0.05);
  EXPECT_EQ(comparison.rows.size(), 12U) << "all kernels that were timed, in both cells";
}

TEST(StoredDecisions, AreWhatFiguresShow) {
  SyntheticRun run;
  auto preferred = SyntheticRun::kernel("mha", "fused");
  preferred.path = "portable";
  auto other = SyntheticRun::kernel("mha", "fused");
  other.path = "amx";
  other.is_default_path = false;
  auto form = SyntheticRun::kernel("linear", "two_gemm");
  form.form = "fused";
  const auto cell = run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), preferred, other, form});
  run.add_five(cell, {0.3, 0.2, 0.1}, {0.001, 0.001, 0.001});
  const auto tables = figure_tables(analyze(std::span(&run.contents, 1)));
  std::map<std::string, std::pair<bool, std::string>> shown;
  for (const auto& row : tables["kernels"]) shown[row["kernel"]] = {row["default_path"], row["form"]};
  EXPECT_EQ(shown.at("mha/fused@cpu:portable"), std::pair(true, std::string("fused")));
  EXPECT_EQ(shown.at("mha/fused@cpu:amx"), std::pair(false, std::string("fused")));
  EXPECT_EQ(shown.at("linear/two_gemm@cpu"), std::pair(true, std::string("fused")));
}

}  // namespace
}  // namespace attnbench
