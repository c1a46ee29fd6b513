#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "store/import.h"
#include "store/sqlite.h"
#include "support/command.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

/// The commands that read stores, with one store in place of "STORE".
const std::vector<std::vector<std::string>> kReaders = {
    {"analyze", "STORE"}, {"analyze", "STORE", "--json"}, {"claims", "STORE"},
    {"compare", "STORE"}, {"compare", "STORE", "STORE"},  {"report", "STORE", "--out", "REPORT"},
};

std::vector<std::string> with_files(std::vector<std::string> arguments, const TemporaryDirectory& directory,
                                    const std::string& store) {
  for (auto& argument : arguments) {
    if (argument == "STORE") argument = store;
    if (argument == "REPORT") argument = directory.file("report.html");
  }
  return arguments;
}

std::string bytes_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// A measured run: 3 cells and more.
RunContents measured() {
  return read_runs(std::string(ATTNBENCH_SOURCE_DIR) + "/tests/browser/small.csv")[0];
}

void write_store(const std::string& file, const std::vector<RunContents>& runs) {
  auto store = Store::open(file, Store::Mode::write);
  if (!runs.empty()) store.add_contents(runs);
}

struct BadStore {
  std::string name;
  void (*make)(const std::string& file);
  std::string message;
};

class BadStores : public testing::TestWithParam<BadStore> {};

TEST_P(BadStores, AreNamedByEachReaderAndLeftAlone) {
  const TemporaryDirectory directory;
  const auto file = directory.file("bad.db");
  GetParam().make(file);
  const auto before = bytes_of(file);
  for (const auto& reader : kReaders) {
    const auto result = attnbench(with_files(reader, directory, file));
    EXPECT_EQ(result.exit_code, 2) << reader[0] << result.err;
    EXPECT_THAT(result.err, HasSubstr("bad.db")) << reader[0];
    EXPECT_THAT(result.err, HasSubstr(GetParam().message)) << reader[0];
    EXPECT_EQ(result.out, "") << reader[0];
  }
  EXPECT_FALSE(std::filesystem::exists(directory.file("report.html")));
  EXPECT_EQ(bytes_of(file), before);
}

const std::vector<BadStore> kBadStores = {
    {"NoBytes", [](const std::string& file) { std::ofstream(file).flush(); }, "is empty"},
    {"NoRun", [](const std::string& file) { write_store(file, {}); }, "holds no run"},
    {"NoProcess",
     [](const std::string& file) {
       auto run = measured();
       run.processes.clear();
       write_store(file, {run});
     },
     "without any process"},
    {"Truncated",
     [](const std::string& file) {
       write_store(file, {measured()});
       std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
     },
     "is corrupt"},
    {"ForeignSqlite",
     [](const std::string& file) {
       sqlite::Connection(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
           .execute("CREATE TABLE bookmarks (url TEXT)");
     },
     "of another program"},
    {"Newer",
     [](const std::string& file) {
       write_store(file, {measured()});
       sqlite::Connection(file, SQLITE_OPEN_READWRITE).execute("PRAGMA user_version = 99");
     },
     "was written by a newer AttnBench (store format 99"},
    {"DamagedJson",
     [](const std::string& file) {
       write_store(file, {measured()});
       sqlite::Connection(file, SQLITE_OPEN_READWRITE)
           .execute("UPDATE run SET environment_json = '{\"a\": \"' || CAST(x'ff' AS TEXT) || '\"}'");
     },
     "table run: column environment_json: line 1, column 8: "},
    {"JsonOfAnotherType",
     [](const std::string& file) {
       write_store(file, {measured()});
       sqlite::Connection(file, SQLITE_OPEN_READWRITE).execute("UPDATE process SET noise_json = '3'");
     },
     "table process: noise: '3' is no JSON object"},
};

INSTANTIATE_TEST_SUITE_P(Readers, BadStores, testing::ValuesIn(kBadStores),
                         [](const auto& test) { return test.param.name; });

// One process has a mean and no interval: nothing is judged, and each command says why.
TEST(OneProcess, HasResultsAndNoVerdicts) {
  const TemporaryDirectory directory;
  const auto file = directory.file("one.db");
  auto run = measured();
  std::vector<ProcessRecord> kept;
  for (const auto& cell : run.cells) {
    for (const auto& process : run.processes) {
      if (process.cell_id != cell.cell_id || !process.valid) continue;
      kept.push_back(process);
      break;
    }
  }
  run.processes = kept;
  write_store(file, {run});

  const auto analyzed = attnbench({"analyze", file, "--json"});
  ASSERT_EQ(analyzed.exit_code, 0) << analyzed.err;
  const auto summary = json::parse(analyzed.out);
  const auto& cell = summary["runs"][0]["groups"][0]["cells"][0];
  EXPECT_EQ(cell["withheld"], "too few processes: 1, verdicts need 5");
  EXPECT_EQ(cell["best_set"], json::array());
  for (const auto& kernel : cell["kernels"]) {
    if (kernel["status"] != "ok") continue;
    EXPECT_TRUE(kernel["seconds"]["estimate"].is_number());
    EXPECT_TRUE(kernel["seconds"]["low"].is_null()) << kernel["id"];
    EXPECT_TRUE(kernel["verdict"].is_null()) << kernel["id"];
  }
  const auto table = attnbench({"analyze", file});
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.out, HasSubstr("too few processes: 1, verdicts need 5"));
  const auto claims = attnbench({"claims", file});
  EXPECT_EQ(claims.exit_code, 0) << claims.err;
  EXPECT_THAT(claims.out, Not(HasSubstr("REVERSED")));
  const auto compared = attnbench({"compare", file, file});
  EXPECT_EQ(compared.exit_code, 3) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("NOT DECIDED"));
}

TEST(ReportOfSummary, BadOnesAreNamed) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("text.json")) << "{\"format\": ";
  std::ofstream(directory.file("other.json")) << "{\"format\": \"something\"}";
  std::ofstream(directory.file("cut.json")) << R"({"format": "attnbench-summary", "version": 3})";
  for (const auto& [name, message] : std::vector<std::pair<std::string, std::string>>{
           {"none.json", "none.json' cannot be read"},
           {"text.json", "text.json: line 1, column 12: '' is where the JSON ends too soon"},
           {"other.json", "format: 'something' is not attnbench-summary"},
           {"cut.json", "is no list of runs"}}) {
    const auto out = directory.file("report.html");
    const auto result = attnbench({"report", directory.file(name), "--out", out});
    EXPECT_EQ(result.exit_code, 2) << name << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

}  // namespace
}  // namespace attnbench
