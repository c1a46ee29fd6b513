// Ours against another engine, from the command line to every place that shows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/command.h"

namespace attnbench {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::ceilings_file;
using testing_support::TemporaryDirectory;
using testing_support::text_of;

/// One small cell of five processes.
constexpr const char* kStudy = R"(name = "tiny"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 1
batch = 1
heads = 1
head_dim = 16
seqlen = 16
softmax_scale = "rsqrt"
mechanisms = ["mha"]
baseline = "mha/unfused@cpu"
kernels = ["fused@cpu", "attend", "falls_back", "!masked"]
paths = "default"
processes = 5
blocks = 2
)";

class Peers : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    std::ofstream(directory_->file("tiny.toml")) << kStudy;
    const auto run = attnbench({"run", directory_->file("tiny.toml"), "--accept-noise", "--plugin",
                                ATTNBENCH_EXTERNAL_ENGINE, "--ceilings", ceilings_file(), "--out",
                                directory_->file("tiny.db")});
    output_ = run.out;
    errors_ = run.err;
    attnbench({"analyze", directory_->file("tiny.db"), "--out", directory_->file("summary.json")});
    summary_ = nlohmann::json::parse(text_of(directory_->file("summary.json")), nullptr, false);
  }
  static void TearDownTestSuite() { delete directory_; }

  static TemporaryDirectory* directory_;
  static std::string output_, errors_;
  static nlohmann::json summary_;
};
TemporaryDirectory* Peers::directory_ = nullptr;
std::string Peers::output_, Peers::errors_;
nlohmann::json Peers::summary_;

TEST_F(Peers, ARunEndsWithALineForEachEngine) {
  EXPECT_THAT(output_, HasSubstr("Ours against other engines")) << errors_;
  EXPECT_THAT(output_, HasSubstr("  outside      ahead in "));
  EXPECT_THAT(testing_support::on_one_line(output_), HasSubstr(" of 1; ratio "));
}

TEST_F(Peers, TheCellHasItsOwnNumberOfProcessesAndBlocks) {
  const auto& cell = summary_.at("runs").at(0).at("groups").at(0).at("cells").at(0);
  EXPECT_EQ(cell.at("judged_processes"), 5) << "profile quick has three";
  for (const auto& kernel : cell.at("kernels")) {
    if (kernel.at("status") != "ok") continue;
    EXPECT_EQ(kernel.at("by_process").at(0).at("blocks").size(), 2u) << kernel.at("id");
    EXPECT_TRUE(kernel.at("unbatched").is_null());
  }
}

TEST_F(Peers, TheSummaryHoldsRatiosAndReasons) {
  const auto& peers = summary_.at("runs").at(0).at("peers");
  ASSERT_EQ(peers.at("rows").size(), 2u);
  for (const auto& row : peers.at("rows")) {
    EXPECT_EQ(row.at("engine"), "outside");
    EXPECT_THAT(row.at("ours").get<std::string>(), HasSubstr("mha/fused@cpu"));
    if (row.at("kernel") == "mha/attend@outside") {
      const double ratio = row.at("ratio").at("estimate");
      const double quotient =
          row.at("seconds").at("estimate").get<double>() / row.at("our_seconds").at("estimate").get<double>();
      EXPECT_NEAR(ratio / quotient, 1, 1e-9);
      EXPECT_THAT(row.at("standing"), AnyOf("ahead", "tied", "behind", "not decided"));
    } else {
      EXPECT_EQ(row.at("kernel"), "mha/falls_back@outside");
      EXPECT_EQ(row.at("standing"), "missing");
      EXPECT_EQ(row.at("status"), "wrong");
      EXPECT_FALSE(row.at("reason").get<std::string>().empty());
    }
  }
  EXPECT_EQ(summary_.at("tables").at("peers").size(), 1u);
  EXPECT_TRUE(summary_.at("runs").at(0).at("environment").at("missing_engines").is_array());
}

TEST_F(Peers, AnalyzeHasASectionAndTheReportTheRows) {
  const auto table = attnbench({"analyze", directory_->file("tiny.db")}).out;
  EXPECT_THAT(table, HasSubstr("\nOurs and others: "));
  EXPECT_THAT(table, HasSubstr("    mha/attend@outside  "));
  EXPECT_THAT(table, HasSubstr("mha/falls_back@outside at 1 N: wrong: "));
}

TEST_F(Peers, ClaimsMayBeAskedOfAnEngineThatIsThere) {
  const auto none = attnbench({"claims", directory_->file("tiny.db"), "--engine", "mlx"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("engine: 'mlx' has no kernel there, cpu, outside has"));
  EXPECT_EQ(attnbench({"claims", directory_->file("tiny.db"), "--engine", "outside"}).exit_code, 0);
}

TEST(PeersOption, ListNamesTheEnginesThatCome) {
  const auto result = attnbench({"list", "--peers", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto list = nlohmann::json::parse(result.out);
  std::vector<std::string> known;
  for (const auto& kernel : list.at("kernels")) known.push_back(kernel.at("engine"));
  for (const auto& engine : list.at("missing_engines")) known.push_back(engine.at("engine"));
  for (const auto* engine :
       {"flash_attention", "flash_linear_attention", "onnxruntime", "openvino", "pytorch"})
    EXPECT_THAT(known, testing::Contains(engine));
}

TEST(PeersOption, AProgramThatWasMovedSaysSo) {
  const TemporaryDirectory directory;
  fs::copy_file(testing_support::program(), directory.file("attnbench"));
  const auto result = attnbench({"list", "--peers"}, 120, "", directory.file("attnbench"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("peers: '"));
  EXPECT_THAT(result.err, HasSubstr("is not there"));
}

TEST(Exclusions, TypedOnesMustNameAKernel) {
  const auto wrong = attnbench({"run", "smoke", "--kernel", "!gathre", "--dry-run"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("'!gathre' matches no registered kernel"));
  EXPECT_THAT(wrong.err, HasSubstr("did you mean 'gather'"));
  const auto text =
      attnbench({"run", "smoke", "--kernel", "!gather", "--mechanism", "swa", "--dry-run", "--json"}).out;
  EXPECT_THAT(text, Not(HasSubstr("gather@cpu")));
  EXPECT_THAT(text, HasSubstr("masked@cpu"));
}

TEST(PeersStudy, TakesAtMostAnHourOnTwoCores) {
  const auto result = attnbench({"run", "peers", "--dry-run", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LE(nlohmann::json::parse(result.out).at("estimated_seconds").get<double>(), 3600);
}

}  // namespace
}  // namespace attnbench
