// Commands and options as people expect them: help, formats, amounts, lists, and going on with a store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::attnbench;
using testing_support::small_run;
using testing_support::TemporaryDirectory;
using testing_support::text_of;

const std::string kSmall = std::string(ATTNBENCH_SOURCE_DIR) + "/tests/browser/small.csv";

TEST(Help, TheProgramAloneAndHelpShowTheCommands) {
  const auto alone = attnbench(std::vector<std::string>{});
  const auto help = attnbench({"help"});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_EQ(help.exit_code, 0);
  for (const auto& text : {alone.err, help.out}) {
    for (const auto* command : {"run", "resume", "analyze", "report", "compare", "claims", "export", "import",
                                "verify", "list", "env", "tune", "dispatch", "help"})
      EXPECT_THAT(text, HasSubstr(std::string("\n  ") + command + " ")) << command;
    EXPECT_THAT(text, Not(HasSubstr("\n  worker")));
  }
  EXPECT_EQ(attnbench({"--help"}).out, help.out);
}

TEST(Help, OfACommandIsWhatTheCommandSays) {
  const auto help = attnbench({"help", "export"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.out, attnbench({"export", "--help"}).out);
  EXPECT_THAT(help.out, AllOf(HasSubstr("Usage: attnbench export"), HasSubstr("-o,--out")));
  const auto unknown = attnbench({"help", "exprot"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("command: 'exprot' is not one of"));
}

TEST(Help, NoLineIsWiderThanTheTerminalIsTakenToBe) {
  for (const auto* command : {"run", "resume", "verify", "analyze", "compare"}) {
    std::istringstream lines(attnbench({"help", command}).out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 130u) << line;  // bytes
  }
}

/// A store of two cells of three processes each, made from a committed export.
class Formats : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(attnbench({"import", kSmall, "-o", store_}).exit_code, 0); }

  std::string written(const std::string& command, const std::string& name) {
    const auto file = directory_.file(name);
    const auto result = attnbench({command, store_, "-o", file});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return text_of(file);
  }

  TemporaryDirectory directory_;
  std::string store_ = directory_.file("a.db");
};

TEST_F(Formats, AreSaidByTheEnding) {
  EXPECT_THAT(written("export", "x.csv"), StartsWith("machine,device,cell_id"));
  EXPECT_THAT(written("export", "x.md"), HasSubstr("|--:|"));
  EXPECT_THAT(written("export", "x.tex"), HasSubstr("\\begin{tabular}"));
  EXPECT_THAT(written("export", "x.sqlite"), StartsWith("SQLite format 3"));
  EXPECT_THAT(written("analyze", "y.csv"), StartsWith("machine,study,profile,cell_id"));
  EXPECT_THAT(written("analyze", "y.md"), HasSubstr("|--:|"));
  EXPECT_THAT(written("analyze", "y.tex"), HasSubstr("\\begin{tabular}"));
  EXPECT_TRUE(nlohmann::json::parse(written("analyze", "y.json")).contains("runs"));
}

TEST_F(Formats, JsonOfSamplesIsTheLinesAsOneArray) {
  std::istringstream lines(written("export", "x.jsonl"));
  const auto array = nlohmann::json::parse(written("export", "x.json"));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_EQ(nlohmann::json::parse(line), array.at(count));
  EXPECT_EQ(array.size(), count);
  EXPECT_GT(count, 100u);
  EXPECT_EQ(nlohmann::json::parse(attnbench({"export", store_, "--json"}).out), array);
}

TEST_F(Formats, OfAComparison) {
  const auto compared = [&](const std::string& name) {
    const auto file = directory_.file(name);
    EXPECT_EQ(attnbench({"compare", store_, store_, "--out", file}).exit_code, 3);  // a store and itself
    return text_of(file);
  };
  EXPECT_THAT(compared("c.md"),
              AllOf(StartsWith("### Attention kernels: NOT DECIDED\n"), HasSubstr("<details>"),
                    HasSubstr("- not decided, 52: the same measurement twice")));
  EXPECT_THAT(compared("c.csv"), StartsWith("cell_id,seqlen,kernel,outcome,"));
  EXPECT_EQ(nlohmann::json::parse(compared("c.json")).at("format"), "attnbench-comparison");
  EXPECT_EQ(nlohmann::json::parse(attnbench({"compare", store_, store_, "--json"}).out),
            nlohmann::json::parse(text_of(directory_.file("c.json"))));
}

TEST_F(Formats, ThatNothingSaysOrThatContradictAreRefused) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"export", store_, "-o", directory_.file("x.xls")}, "x.xls' does not end as a format does"},
      {{"export", store_, "-o", directory_.file("none")}, "does not end as a format does"},
      {{"export", store_, "-o", directory_.file("x.html")}, "does not end as a format does"},
      {{"analyze", store_, "-o", directory_.file("x.db2")}, "does not end as a format does"},
      {{"compare", store_, store_, "-o", directory_.file("x.tex")}, "does not end as a format does"},
      {{"report", store_, "-o", directory_.file("x.md")}, "does not end as a format does"},
      {{"export", store_, "--format", "csv", "-o", directory_.file("x.md")},
       "ends as md does, and --format says csv"},
      {{"analyze", store_, "--format", "yaml"}, "format: 'yaml' is not one of"},
      {{"compare", store_, store_, "--format", "md", "--json"}, "two formats"},
      {{"import", kSmall, "-o", directory_.file("b.json")}, "which ends in .db"},
      {{"run", "smoke", "-o", directory_.file("b.md")}, "which ends in .db"},
  };
  for (const auto& [arguments, problem] : cases) {
    const auto result = attnbench(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments.back();
    EXPECT_THAT(result.err, HasSubstr(problem));
    EXPECT_FALSE(std::filesystem::exists(arguments.back())) << arguments.back();
  }
}

TEST_F(Formats, AFormatThatIsNamedNeedsNoEnding) {
  const auto file = directory_.file("samples");
  ASSERT_EQ(attnbench({"export", store_, "--format", "csv", "-o", file}).exit_code, 0);
  EXPECT_THAT(text_of(file), StartsWith("machine,device,cell_id"));
}

/// (valid processes, samples of the first) of the only cell of a run.
std::pair<int, std::size_t> measured(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  const auto cells = store.cells(run);
  EXPECT_EQ(cells.size(), 1u);
  int valid = 0;
  std::size_t samples = 0;
  for (const auto& process : store.processes(run, cells.front().cell_id)) {
    if (!process.valid) continue;
    ++valid;
    samples = process.samples.size();
  }
  return {valid, samples};
}

std::vector<std::string> one_kernel(const std::string& out, std::vector<std::string> more) {
  more.insert(more.end(), {"--mechanism", "linear", "--kernel", "two_gemm@cpu", "--seqlen", "16"});
  return small_run(out, more);
}

TEST(Amounts, TakeThePlaceOfTheProfiles) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = attnbench(one_kernel(out, {"--processes", "2", "--blocks", "3"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  // Baseline, its alias, the kernel and two sentinels a block; five single calls of each kernel but the
  // alias.
  EXPECT_EQ(measured(out), std::make_pair(2, std::size_t{3 * (2 + 1 + 2) + 5 * 2}));

  for (const auto& bad :
       std::vector<std::vector<std::string>>{{"--processes", "0"},
                                             {"--processes", "1001"},
                                             {"--blocks", "-1"},
                                             {"--processes", "3", "--profile", "publish"}}) {
    auto words = std::vector<std::string>{"run", "smoke", "--dry-run"};
    words.insert(words.end(), bad.begin(), bad.end());
    const auto refused = attnbench(words);
    EXPECT_EQ(refused.exit_code, 2) << bad[0] << bad[1];
    EXPECT_THAT(refused.err, HasSubstr(bad[0].substr(2)));
  }
}

TEST(Amounts, OfAStudyGiveWayToo) {
  const TemporaryDirectory directory;
  const auto study = directory.file("own.toml");
  std::ofstream(study) << R"(name = "own"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 1
batch = 1
heads = 2
head_dim = 16
seqlen = 16
softmax_scale = "rsqrt"
mechanisms = ["mha"]
kernels = ["two_gemm"]
baseline = "mha/unfused@cpu"
processes = 4
blocks = 7
)";
  const auto out = directory.file("s.db");
  const auto result = attnbench({"run", study, "--accept-noise", "--quiet", "--ceilings",
                                 testing_support::ceilings_file(), "--processes", "1", "-o", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(measured(out).first, 1);
}

TEST(ResumeCommand, GoesOnByTheStoresPlanAlone) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto count = directory.file("count");
  const auto launcher = directory.file("launch");
  // Worker 1 probes, 2 verifies, 3 measures; none starts after that.
  std::ofstream(launcher) << "#!/bin/sh\nn=$(($(cat " << count << " 2>/dev/null || echo 0) + 1))\necho $n > "
                          << count << "\n[ $n -gt 3 ] && exit 255\nexec \"$@\"\n";
  std::filesystem::permissions(launcher, std::filesystem::perms::owner_all);
  const auto first = attnbench(one_kernel(out, {"--seed", "7", "--processes", "2", "--launcher", launcher}));
  EXPECT_THAT(first.err, HasSubstr("1 of 2 processes"));
  ASSERT_EQ(measured(out).first, 1);

  const auto resumed = attnbench({"resume", out});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(measured(out).first, 2);
  const auto store = Store::open(out, Store::Mode::read);
  EXPECT_EQ(store.runs().front().run.seed, 7u);
  EXPECT_EQ(attnbench({"resume", out, "--quiet", "--json"}).exit_code, 0);
  EXPECT_EQ(measured(out).first, 2);
}

TEST(ResumeCommand, WhatHoldsNoPlanIsRefused) {
  const TemporaryDirectory directory;
  const auto none = attnbench({"resume", directory.file("none.db")});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("none.db' is not there"));
  const auto published = directory.file("p.db");
  ASSERT_EQ(
      attnbench({"import", std::string(ATTNBENCH_SOURCE_DIR) + "/data/m4_mlx_published.csv", "-o", published})
          .exit_code,
      0);
  const auto refused = attnbench({"resume", published});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("holds no plan"));
}

TEST(ShortOption, NamesTheStoreAndIsNoPartOfThePlan) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  auto words = one_kernel(out, {"--processes", "1"});
  for (auto& word : words) {
    if (word == "--out") word = "-o";
  }
  ASSERT_EQ(attnbench(words).exit_code, 0);
  const auto store = Store::open(out, Store::Mode::read);
  const auto command = store.runs().front().run.plan->value("command", "");
  EXPECT_THAT(command, AllOf(StartsWith("attnbench run smoke"), Not(HasSubstr(directory.path())),
                             Not(HasSubstr("-o"))));
}

TEST(Lists, AreWrittenAlikeInRunAndVerify) {
  const auto cases_of = [](const std::string& threads) {
    const auto result = attnbench({"verify", "--kernel", "gather@cpu", "--dtype", "f32", "--shapes", "1",
                                   "--threads", threads, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto list = nlohmann::json::parse(result.out);
    EXPECT_EQ(list.size(), 1u);
    return list.at(0).at("passed").get<int>();
  };
  const int once = cases_of("1");
  EXPECT_GT(once, 0);
  EXPECT_EQ(cases_of("0"), once);
  EXPECT_EQ(cases_of("1,1"), 2 * once);
  EXPECT_EQ(cases_of("1..1+1,1"), 2 * once);

  const auto form = attnbench({"verify", "--mechanism", "swa(w=64,causal)"});
  EXPECT_EQ(form.exit_code, 2);
  EXPECT_THAT(form.err, HasSubstr("mechanism: 'swa(w=64,causal)' names parameters"));
  const auto threads = attnbench({"verify", "--all", "--threads", "1..8"});
  EXPECT_EQ(threads.exit_code, 2);
  EXPECT_THAT(threads.err, HasSubstr("threads: '1..8' is a range without a step"));
  EXPECT_EQ(attnbench({"env", "--no-ceilings", "--threads", "0"}).exit_code, 0);
}

TEST(Json, ReportWritesAPageAndHasNone) {
  const auto result = attnbench({"report", kSmall, "--json"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--json"));
}

TEST(ModelOption, MeasuresAConfigurationAndNamesWhatItCannotExpress) {
  const TemporaryDirectory directory;
  const auto folder = directory.file("My-Model");
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/config.json")
      << R"({"model_type": "tiny", "hidden_size": 32, "num_attention_heads": 2,
    "num_key_value_heads": 1, "num_hidden_layers": 2, "attn_logit_softcapping": 50.0})";
  const auto out = directory.file("s.db");
  const auto result =
      attnbench({"run", "--model", folder, "--accept-noise", "--quiet", "--ceilings",
                 testing_support::ceilings_file(), "--seqlen", "16", "--threads", "1", "--phase", "prefill",
                 "--kernel", "unfused@cpu", "--processes", "1", "-o", out});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string words = "nothing here computes: soft cap 50.0 of the scores";
  EXPECT_THAT(testing_support::on_one_line(result.out), HasSubstr(words));
  EXPECT_THAT(result.out, HasSubstr("mqa(causal)/unfused"));
  for (const auto* format : {"text", "md", "tex"})
    EXPECT_THAT(testing_support::on_one_line(attnbench({"analyze", out, "--format", format}).out),
                HasSubstr(words))
        << format;
  const auto run = Store::open(out, Store::Mode::read).runs().front().run;
  EXPECT_EQ(run.study, "My-Model");
  EXPECT_THAT(run.plan->value("command", ""), StartsWith("attnbench run --model My-Model --accept-noise"));
  EXPECT_EQ(attnbench({"resume", out, "--quiet"}).exit_code, 0);
}

TEST(ModelOption, TakesModelsAlone) {
  for (const auto& [arguments, problem] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"run", "--model", "paper", "--dry-run"}, "model: 'paper' is neither a config.json"},
           {{"run", "--model", "gpt2-smal", "--dry-run"}, "did you mean 'gpt2-small'"},
           {{"run", "paper", "--model", "gpt2-small", "--dry-run"}, "two things to measure"}}) {
    const auto result = attnbench(arguments);
    EXPECT_EQ(result.exit_code, 2) << problem;
    EXPECT_THAT(result.err, HasSubstr(problem));
  }
  const auto preset = attnbench({"run", "--model", "gemma2-9b", "--dry-run"});
  EXPECT_EQ(preset.exit_code, 0) << preset.err;
  EXPECT_THAT(testing_support::on_one_line(preset.out),
              HasSubstr("nothing here computes: soft cap 50 of the scores"));
}

TEST(DryRun, OfTheLargestStudiesIsAPage) {
  for (const auto* study : {"paper", "peers", "llm"}) {
    const auto result = attnbench({"run", study, "--dry-run"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_LE(std::count(result.out.begin(), result.out.end(), '\n'), 60) << result.out;
    EXPECT_THAT(testing_support::on_one_line(result.out), testing::EndsWith("nothing was measured"));
  }
}

TEST(LastLines, AnswerAndSayWhatToTypeNext) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = attnbench(one_kernel(out, {"--processes", "1"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto answer = result.out.find("What to use here:\ncore f32, in place of mha/unfused@cpu\n");
  ASSERT_NE(answer, std::string::npos) << result.out;
  EXPECT_THAT(
      result.out.substr(answer),
      AllOf(HasSubstr("no verdict in 1 cell: too few processes: 1"), HasSubstr("store:    " + out + "\n"),
            HasSubstr("report:   attnbench report " + out + "\n"),
            testing::EndsWith("more:     the same command with --profile spec, into another store\n")));
}

}  // namespace
}  // namespace attnbench
