#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using testing_support::text_of;

const std::string kPublished = std::string(ATTNBENCH_SOURCE_DIR) + "/data/m4_mlx_published.csv";

std::vector<std::string> small_run(const std::string& out) {
  return testing_support::small_run(out, {"--kernel", "unfused@cpu,two_gemm@cpu", "--seqlen", "32,64",
                                          "--mechanism", "mha,linear", "--quiet"});
}

std::string published_store(const TemporaryDirectory& directory) {
  const auto file = directory.file("published.db");
  EXPECT_EQ(attnbench({"import", kPublished, "--out", file}).exit_code, 0);
  return file;
}

TEST(AnalyzeCommand, WritesTablesSummaryCsvAndLatex) {
  const TemporaryDirectory directory;
  const auto store = directory.file("s.db");
  ASSERT_EQ(attnbench(small_run(store)).exit_code, 0);
  const auto result = attnbench({"analyze", store, "--out", directory.file("s.json"), "--csv",
                                 directory.file("s.csv"), "--tex", directory.file("s.tex")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("what to use, and verdicts against the baseline"));
  EXPECT_THAT(text_of(directory.file("s.csv")), HasSubstr("machine,study,profile,cell_id"));
  EXPECT_THAT(text_of(directory.file("s.tex")), HasSubstr("\\begin{tabular}"));
  const auto summary = json::parse(text_of(directory.file("s.json")));
  EXPECT_EQ(summary["runs"][0]["command"],
            "attnbench run smoke --accept-noise --scope core --dtype f32 --threads 1 --kernel "
            "unfused@cpu,two_gemm@cpu "
            "--seqlen 32,64 --mechanism mha,linear");
  const auto& group = summary["runs"][0]["groups"][0];
  EXPECT_EQ(group["seqlens"], json({32, 64}));
  EXPECT_EQ(group["cells"][0]["withheld"], "too few processes: 3, verdicts need 5");
  EXPECT_TRUE(group["cells"][0]["kernels"][0]["executed_flops"].is_number());
  EXPECT_TRUE(group["cells"][0]["kernels"][0]["percent_of_compute_executed"].is_number());

  const auto printed = attnbench({"analyze", store, "--json"});
  EXPECT_EQ(printed.out, text_of(directory.file("s.json"))) << "and the same bytes each time";

  const auto same = attnbench({"compare", store, store, "--json"});
  EXPECT_EQ(same.exit_code, 3) << "three processes decide nothing";
  EXPECT_EQ(json::parse(same.out)["outcome"], "not decided");
  EXPECT_EQ(json::parse(same.out)["regressions"], 0);
  EXPECT_EQ(json::parse(same.out)["paired"], false);
  const auto alone = attnbench({"compare", store});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_THAT(alone.err, HasSubstr("does not hold two builds measured together"));
  const auto threshold = attnbench({"compare", store, store, "--threshold", "fast"});
  EXPECT_EQ(threshold.exit_code, 2);
  EXPECT_THAT(threshold.err, HasSubstr("threshold: 'fast'"));
}

TEST(AnalyzeCommand, PublishedMeansHaveNoInterval) {
  const TemporaryDirectory directory;
  const auto store = published_store(directory);
  const auto result = attnbench({"analyze", store, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  auto summary = json::parse(result.out);
  for (auto& claim : summary["claims"]) {  // bytes that a KV cache needs are exact, whoever publishes them
    if (claim["published"]["headline"][0]["relation"] == "memory") claim["answers"].clear();
    for (auto& answer : claim["answers"]) {
      EXPECT_EQ(answer["verdict"], "NOT TESTED");
      answer.erase("verdict");
    }
  }
  const auto flat = summary.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    const bool bound = pointer.ends_with("/low") || pointer.ends_with("/high") || pointer.ends_with("_low") ||
                       pointer.ends_with("_high") || pointer.ends_with("/verdict") ||
                       pointer.ends_with("_p") || pointer.ends_with("_adjusted") ||
                       pointer.ends_with("/cv_between");
    EXPECT_TRUE(!bound || value.is_null()) << pointer << " " << value;
  }
  EXPECT_EQ(json::parse(result.out)["runs"][0]["kind"], "published");
  const auto compared = attnbench({"compare", store, store});
  EXPECT_EQ(compared.exit_code, 2);
  EXPECT_THAT(compared.err, HasSubstr("published means without variance"));
}

TEST(AnalyzeCommand, SeveralStoresAndRunsOfOneMachineStayApart) {
  const TemporaryDirectory directory;
  const auto store = directory.file("s.db");
  ASSERT_EQ(attnbench(small_run(store)).exit_code, 0);
  const auto result = attnbench({"analyze", store, store, published_store(directory), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto summary = json::parse(result.out);
  ASSERT_EQ(summary["runs"].size(), 3U);
  EXPECT_EQ(summary["runs"][1]["id"], "r1");
  EXPECT_EQ(summary["runs"][1]["machine"].get<std::string>(),
            summary["runs"][0]["machine"].get<std::string>() + ", run 2");
}

TEST(AnalyzeCommand, AStoreWithoutRunsIsRefused) {
  const TemporaryDirectory directory;
  Store::open(directory.file("empty.db"), Store::Mode::write);
  const auto result = attnbench({"analyze", directory.file("empty.db")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("holds no run"));
}

TEST(Against, TwoBuildsTakeTurnsAndAreComparedInPairs) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  const auto copy = directory.file("attnbench-old");
  std::filesystem::copy_file(testing_support::program(), copy);
  auto arguments = small_run(out);
  arguments.insert(arguments.end(), {"--against", copy});
  const auto first = attnbench(arguments);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(testing_support::on_one_line(first.out),
              HasSubstr("in each process the quotient of their medians over the blocks"));
  {
    const auto store = Store::open(out, Store::Mode::read);
    const auto runs = store.runs();
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_EQ((*runs[0].run.plan)["pair"]["role"], "new");
    EXPECT_EQ((*runs[1].run.plan)["pair"]["role"], "old");
    EXPECT_THAT((*runs[0].run.plan)["command"].get<std::string>(),
                testing::EndsWith(" --against attnbench-old"))
        << "no path of this machine";
    for (const auto& cell : store.cells(runs[0].id)) {
      const auto now = store.processes(runs[0].id, cell.cell_id);
      const auto before = store.processes(runs[1].id, cell.cell_id);
      ASSERT_EQ(now.size(), 3U);
      ASSERT_EQ(before.size(), 3U);
      for (std::size_t p = 0; p < 3; ++p) {
        EXPECT_EQ(now[p].process, before[p].process);
        EXPECT_EQ(now[p].orders, before[p].orders);
      }
    }
  }
  const auto again = attnbench(arguments);
  EXPECT_EQ(again.exit_code, 0) << "a finished pair measures nothing more";
  const auto compared = attnbench({"compare", out, "--json"});
  EXPECT_EQ(compared.exit_code, 3) << compared.err;
  EXPECT_EQ(json::parse(compared.out)["paired"], true);
  EXPECT_EQ(json::parse(compared.out)["rows"][0]["reason"], "old: too few processes: 3, verdicts need 5");
  const auto alone = attnbench(small_run(out));
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_THAT(alone.err, HasSubstr("name the other one with --against"));
}

/// Cell and number of each valid process of each run: twice what both builds have.
std::multiset<std::pair<std::string, int>> valid_processes(const std::string& out) {
  std::multiset<std::pair<std::string, int>> found;
  std::error_code none_yet;
  if (std::filesystem::file_size(out, none_yet) == 0 || none_yet) return found;
  const auto store = Store::open(out, Store::Mode::read);
  for (const auto& [run, record] : store.runs()) {
    for (const auto& cell : store.cells(run)) {
      for (const auto& process : store.processes(run, cell.cell_id)) {
        if (process.valid) found.emplace(cell.cell_id, process.process);
      }
    }
  }
  return found;
}

TEST(Against, AKilledPairGoesOnInPairs) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  auto arguments = small_run(out);
  arguments.insert(arguments.end(), {"--against", testing_support::program()});
  const pid_t pid = testing_support::start_attnbench(arguments);
  while (valid_processes(out).size() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  const auto before = valid_processes(out);
  const auto result = attnbench(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto after = valid_processes(out);
  EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  std::map<std::string, int> pairs;
  for (const auto& process : std::set(after.begin(), after.end()))
    pairs[process.first] += after.count(process) == 2;
  ASSERT_EQ(pairs.size(), 2U);
  for (const auto& [cell, count] : pairs) EXPECT_EQ(count, 3) << cell;
}

TEST(Against, AKernelThatOnlyOneBuildHasOrThatBreaksThereIsSaid) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  const auto old_build = directory.file("old");
  // The same program, without the plugin's kernels.
  std::ofstream(old_build)
      << "#!/bin/bash\narguments=()\nwhile [ $# -gt 0 ]; do\n"
         "  if [ \"$1\" = --plugin ]; then shift 2; else arguments+=(\"$1\"); shift; fi\n"
         "done\nexec "
      << testing_support::program() << " \"${arguments[@]}\"\n";
  std::filesystem::permissions(old_build, std::filesystem::perms::owner_all);
  const auto result = attnbench(testing_support::small_run(
      out, {"--kernel", "unfused@cpu,good,crashes_timed", "--mechanism", "mha", "--seqlen", "32", "--plugin",
            ATTNBENCH_BAD_KERNELS, "--against", old_build, "--quiet"}));
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_THAT(result.out, HasSubstr("in the new one alone: core-prefill-hot-f32-bhsd-b1-h"));
  const auto store = Store::open(out, Store::Mode::read);
  const auto runs = store.runs();
  ASSERT_EQ(runs.size(), 2U);
  const auto old_cells = store.cells(runs[1].id);
  for (const auto& kernel : old_cells[0].kernels) {
    if (kernel.kernel == "unfused_f32") continue;  // neither build times it in f32
    EXPECT_EQ(kernel.support_reason, kernel.engine == "test" ? "this build does not have it" : "");
  }
  EXPECT_EQ(store.failures(runs[0].id).size(), 1U);
  EXPECT_EQ(store.failures(runs[1].id).size(), 0U);
  EXPECT_THAT(result.out, HasSubstr("mha/unfused@cpu"));
}

TEST(Against, AKernelThatOnlyTheOldBuildHasIsMeasuredThereAndLost) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  const auto old_build = directory.file("old");
  std::ofstream(old_build) << "#!/bin/sh\nexec " << testing_support::program() << " \"$@\" --plugin "
                           << ATTNBENCH_SKELETON_KERNEL << "\n";
  std::filesystem::permissions(old_build, std::filesystem::perms::owner_all);
  const auto result = attnbench(testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "32", "--against", old_build, "--quiet"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(testing_support::on_one_line(result.out), HasSubstr("mha/skeleton@example - - LOST"));
  EXPECT_THAT(result.out, HasSubstr("this build does not have it"));
  const auto store = Store::open(out, Store::Mode::read);
  const auto runs = store.runs();
  ASSERT_EQ(runs.size(), 2U);
  std::vector<std::string> reasons;
  for (const auto& run : runs) {
    const auto cells = store.cells(run.id);
    for (const auto& kernel : cells.at(0).kernels) {
      if (kernel.id() == "mha/skeleton@example") reasons.push_back(kernel.support_reason);
    }
  }
  EXPECT_EQ(reasons, (std::vector<std::string>{"this build does not have it", ""}));
  EXPECT_THAT(
      attnbench({"run", "--out", out, "--ceilings", testing_support::ceilings_file(), "--against", old_build})
          .err,
      testing::Not(HasSubstr("plugin that is not loaded")));
}

}  // namespace
}  // namespace attnbench
