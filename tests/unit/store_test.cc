#include "store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attnbench/error.h"
#include "store/export.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

class StoreTest : public StoreFixture {};

TEST_F(StoreTest, GivesBackWhatItWasGiven) {
  const auto given = sample_contents();
  {
    auto store = Store::open(path("a.db"), Store::Mode::write);
    store.add_contents({given});
  }
  const auto store = Store::open(path("a.db"), Store::Mode::read);
  ASSERT_EQ(store.runs().size(), 1U);
  const auto back = store.contents(store.runs()[0].id);
  EXPECT_EQ(back.run, given.run);
  ASSERT_EQ(back.cells.size(), 2U);
  EXPECT_EQ(back.cells[0].cpus, (std::vector<int>{0, 1}));
  EXPECT_EQ(back.cells[0].shape, given.cells[0].shape);
  ASSERT_EQ(back.cells[0].kernels.size(), 3U);
  EXPECT_EQ(back.cells[0].kernels[1].id(), "swa(w=64,causal)/masked@cpu:avx512");
  EXPECT_EQ(back.cells[0].kernels[1].batch_calls, 7);
  EXPECT_EQ(back.cells[0].kernels[2].support_reason, "needs \"square\", lengths");
  ASSERT_EQ(back.verifications.size(), 2U);
  EXPECT_EQ(back.verifications[0].rerun_bitwise, true);
  EXPECT_EQ(back.verifications[0].unchanged_threads, std::nullopt);
  EXPECT_TRUE(std::isnan(back.verifications[1].max_error));
  ASSERT_EQ(back.processes.size(), 3U);
  EXPECT_EQ(back.processes[0].orders, given.processes[0].orders);
  EXPECT_EQ(back.processes[0].noise, given.processes[0].noise);
  ASSERT_EQ(back.processes[0].samples.size(), given.processes[0].samples.size());
  EXPECT_EQ(back.processes[1].reason, "steal 3.1 % of CPU time, above 2 %");
  const auto& first = back.processes[0].samples.front();
  EXPECT_EQ(first.role, "unbatched");
  EXPECT_EQ(first.block, -1);
  bool found = false;
  for (const auto& sample : back.processes[0].samples) found |= sample.time_seconds == 0.1 + 0.2;
  EXPECT_TRUE(found) << "a time lost bits";
  ASSERT_EQ(back.failures.size(), 1U);
  EXPECT_EQ(back.failures[0].stage, "measure");
}

TEST_F(StoreTest, PutCellReplacesTheDescriptionAndKeepsSamples) {
  auto store = Store::open(path("a.db"), Store::Mode::write);
  store.add_contents({sample_contents()});
  const auto run = store.runs()[0].id;
  auto cell = store.cells(run)[0];
  const auto samples = store.processes(run, cell.cell_id)[0].samples.size();
  cell.kernels[1].quarantine_reason = "crashed twice";
  std::swap(cell.kernels[0].is_baseline, cell.kernels[1].is_baseline);
  store.put_cell(run, cell);
  EXPECT_EQ(store.cells(run)[0].kernels[1].quarantine_reason, "crashed twice");
  EXPECT_TRUE(store.cells(run)[0].kernels[1].is_baseline);
  EXPECT_EQ(store.processes(run, cell.cell_id)[0].samples.size(), samples);
  cell.kernels.erase(cell.kernels.begin());
  EXPECT_THROW(store.put_cell(run, cell), InputError) << "its samples would have lost their kernel";
  EXPECT_EQ(store.cells(run)[0].kernels.size(), 3U);
}

TEST_F(StoreTest, InvalidatedProcessesKeepTheirSamples) {
  auto store = Store::open(path("a.db"), Store::Mode::write);
  store.add_contents({sample_contents()});
  const auto run = store.runs()[0].id;
  const auto cell = store.cells(run)[0].cell_id;
  store.invalidate_processes(run, cell, "re-planned");
  const auto processes = store.processes(run, cell);
  EXPECT_FALSE(processes[0].valid);
  EXPECT_EQ(processes[0].reason, "re-planned");
  EXPECT_EQ(processes[1].reason, "steal 3.1 % of CPU time, above 2 %") << "the first reason counts";
  EXPECT_FALSE(processes[0].samples.empty());
}

TEST_F(StoreTest, AQuarantineIsWholeOrNotAtAll) {
  auto store = Store::open(path("a.db"), Store::Mode::write);
  store.add_contents({sample_contents()});
  const auto run = store.runs()[0].id;
  auto cell = store.cells(run)[0];
  const auto failures = store.failures(run).size();
  cell.kernels[1].quarantine_reason = "measure: crashed";
  FailureRecord failure{cell.cell_id, "mha/no_such_kernel@cpu", "measure", "crashed"};
  EXPECT_THROW(store.quarantine(run, cell, failure, "re-planned"), InputError);
  EXPECT_EQ(store.cells(run)[0].kernels[1].quarantine_reason,
            sample_contents().cells[0].kernels[1].quarantine_reason);
  EXPECT_TRUE(store.processes(run, cell.cell_id)[0].valid);

  failure.kernel_id = cell.kernels[1].id();
  store.quarantine(run, cell, failure, "re-planned");
  EXPECT_EQ(store.cells(run)[0].kernels[1].quarantine_reason, "measure: crashed");
  EXPECT_FALSE(store.processes(run, cell.cell_id)[0].valid);
  EXPECT_EQ(store.failures(run).size(), failures + 1);
}

TEST_F(StoreTest, RefusesValuesThatCannotBe) {
  auto store = Store::open(path("a.db"), Store::Mode::write);
  const auto contents = sample_contents();
  store.add_contents({contents});
  const auto run = store.runs()[0].id;
  const auto before = store.processes(run, contents.cells[0].cell_id).size();
  EXPECT_THAT(error_of([&] { store.add_process(run, contents.processes[0]); }), HasSubstr("already stored"));
  const auto refused = [&](auto change) {
    auto process = contents.processes[0];
    process.process = 77;
    change(process);
    return error_of([&] { store.add_process(run, process); });
  };
  EXPECT_EQ(refused([](ProcessRecord& p) { p.process = 9; }), "accepted");
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[1] = p.samples[0]; }), HasSubstr("UNIQUE"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[0].role = "warmup"; }), HasSubstr("role"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[0].time_seconds = std::nan(""); }),
              HasSubstr("time_seconds"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[0].time_seconds = HUGE_VAL; }),
              HasSubstr("time_seconds"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[0].valid = false; }), HasSubstr("reason"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.samples[0].kernel_id = "mha/fused@cpu"; }),
              HasSubstr("'mha/fused@cpu' is not in cell"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.valid = false; }), HasSubstr("reason"));
  EXPECT_THAT(refused([](ProcessRecord& p) { p.cell_id = "elsewhere"; }), HasSubstr("'elsewhere'"));
  EXPECT_EQ(store.processes(run, contents.cells[0].cell_id).size(), before + 1)
      << "a refused process must leave nothing behind";
}

TEST_F(StoreTest, SecondWriterIsRefusedReaderIsNot) {
  auto writer = Store::open(path("a.db"), Store::Mode::write);
  writer.add_contents({sample_contents()});
  const auto message = error_of([&] { Store::open(path("a.db"), Store::Mode::write); });
  EXPECT_THAT(message, HasSubstr(path("a.db")));
  EXPECT_THAT(message, HasSubstr("being written by another"));
  auto reader = Store::open(path("a.db"), Store::Mode::read);
  EXPECT_EQ(reader.runs().size(), 1U);
  auto process = sample_contents().processes[0];
  process.process = 50;
  writer.add_process(1, process);
  EXPECT_EQ(reader.processes(1, process.cell_id).size(), 3U) << "a reader sees what was committed meanwhile";
  EXPECT_THROW(reader.add_run({}), InputError) << "a reader must not write";
}

TEST_F(StoreTest, KilledWriterLeavesCommittedDataAndNoLock) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const auto child = fork();
  if (child == 0) {
    auto store = Store::open(path("a.db"), Store::Mode::write);
    store.add_contents({sample_contents()});
    // A transaction under way that has already reached the file.
    sqlite::Connection connection(path("a.db"), SQLITE_OPEN_READWRITE);
    connection.execute(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;"
        "DELETE FROM sample; UPDATE process SET noise_json = json_quote(hex(zeroblob(100000)))");
    const bool told = ::write(ready[1], "x", 1) == 1;
    while (told) pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_TRUE(std::filesystem::exists(path("a.db-journal"))) << "the test did not catch a transaction";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  {
    const auto reader = Store::open(path("a.db"), Store::Mode::read);
    EXPECT_EQ(reader.contents(1).processes[0].samples.size(), sample_contents().processes[0].samples.size());
  }
  auto writer = Store::open(path("a.db"), Store::Mode::write);
  EXPECT_EQ(writer.contents(1).processes[0].noise, sample_contents().processes[0].noise);
}

TEST_F(StoreTest, ForeignFilesAreRefusedAndNotChanged) {
  const auto stays_refused = [&](const std::string& file, const std::string& words) {
    const auto before = read_text(file);
    for (const auto mode : {Store::Mode::read, Store::Mode::write}) {
      const auto message = error_of([&] { Store::open(file, mode); });
      EXPECT_THAT(message, HasSubstr(words));
      EXPECT_THAT(message, HasSubstr(file));
    }
    EXPECT_EQ(read_text(file), before);
  };
  write_text(path("notes.txt"), "my notes, longer than a header would be: " + std::string(200, '.'));
  stays_refused(path("notes.txt"), "is not an AttnBench store");
  write_text(path("short"), "x");
  stays_refused(path("short"), "is not an AttnBench store");
  sqlite::Connection(path("other.db"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
      .execute("CREATE TABLE bookmarks (url TEXT)");
  stays_refused(path("other.db"), "another program");
  Store::open(path("newer.db"), Store::Mode::write);
  sqlite::Connection(path("newer.db"), SQLITE_OPEN_READWRITE).execute("PRAGMA user_version = 99");
  stays_refused(path("newer.db"), "newer AttnBench (store format 99");
}

TEST_F(StoreTest, DamageIsNamed) {
  {
    auto store = Store::open(path("a.db"), Store::Mode::write);
    store.add_contents({sample_contents()});
  }
  const auto whole = read_text(path("a.db"));
  ASSERT_GT(whole.size(), 20000U);
  for (const std::size_t size : {50UL, 1000UL, 4096UL, whole.size() / 2, whole.size() - 4096}) {
    write_text(path("cut.db"), whole.substr(0, size));
    EXPECT_THAT(error_of([&] { Store::open(path("cut.db"), Store::Mode::read); }), HasSubstr("is corrupt"));
    EXPECT_THAT(error_of([&] { Store::open(path("cut.db"), Store::Mode::write); }), HasSubstr("cut.db"));
    EXPECT_EQ(read_text(path("cut.db")).size(), size);
  }
  auto scribbled = whole;
  std::fill(scribbled.begin() + 8192, scribbled.begin() + 16384, '\x5a');
  write_text(path("scribbled.db"), scribbled);
  EXPECT_THAT(error_of([&] { Store::open(path("scribbled.db"), Store::Mode::read); }),
              HasSubstr("is corrupt"));
}

/// A column that holds JSON, and a value of the wrong kind in it.
struct JsonColumn {
  const char* table;
  const char* column;
  const char* wrong;    ///< valid JSON
  const char* message;  ///< part of what is said of it
};
constexpr JsonColumn kJsonColumns[] = {
    {"run", "plan_json", "[1]", "plan: '[1]' is no JSON object"},
    {"run", "plan_json", R"({"pair": 1})", "pair: '1' is no JSON object"},
    {"run", "plan_json", R"({"pair": {"role": 1}})", "role: '1' is no text"},
    {"run", "environment_json", "null", "environment: 'null' is no JSON object"},
    {"run", "environment_json", R"({"noise_guard": 1})", "noise_guard: '1' is no text"},
    {"run", "environment_json", R"({"ceilings": 3})", "ceilings: '3' is no JSON object"},
    {"run", "environment_json", R"({"ceilings": {"2": {"threads": null}}})",
     "ceilings[2]: threads: 'null' is not a whole number"},
    {"cell", "cpus_json", "null", "column cpus_json: 'null' is no list"},
    {"cell", "cpus_json", "[0, 1.5]", "column cpus_json: '1.5' is not a whole number"},
    {"cell", "seqlens_kv_json", R"(["a"])", "column seqlens_kv_json: '\"a\"' is not a whole number"},
    {"process", "orders_json", "[[0], 1]", "column orders_json: '1' is no list"},
    {"process", "order_kernels_json", "[null]", "column order_kernels_json: 'null' is no text"},
    {"process", "noise_json", "\"loud\"", "noise: '\"loud\"' is no JSON object"},
    {"process", "kernels_json", "[]", "kernels: '[]' is no JSON object"},
    {"process", "kernels_json", R"({"a": {"executed_flops": "many"}})",
     "executed_flops: '\"many\"' is no number"},
};

TEST_F(StoreTest, DamagedJsonIsNamedByTableAndColumn) {
  Store::open(path("whole.db"), Store::Mode::write).add_contents({sample_contents()});
  const auto message = [&](const JsonColumn& in, const std::string& value) {
    std::filesystem::copy_file(path("whole.db"), path("a.db"),
                               std::filesystem::copy_options::overwrite_existing);
    sqlite::Connection connection(path("a.db"), SQLITE_OPEN_READWRITE);
    sqlite::Statement(connection, std::string("UPDATE ") + in.table + " SET " + in.column + " = ?")
        .run(value);
    return error_of([&] { all_contents(Store::open(path("a.db"), Store::Mode::read)); });
  };
  for (const auto& in : kJsonColumns) {
    const auto place = path("a.db") + ": table " + in.table + ": ";
    EXPECT_THAT(message(in, in.wrong), testing::AllOf(testing::StartsWith(place), HasSubstr(in.message)));
    // SQLite takes both for JSON.
    const auto column = place + "column " + in.column + ": line 1, column ";
    EXPECT_THAT(message(in, "[\"\xff\"]"), testing::StartsWith(column));
    EXPECT_THAT(message(in, std::string(500, '[') + std::string(500, ']')), testing::StartsWith(column));
  }
}

TEST_F(StoreTest, NumbersOutOfRangeAndTextsThatAreNoNamesAreNamedByTable) {
  Store::open(path("whole.db"), Store::Mode::write).add_contents({sample_contents()});
  const auto message = [&](const std::string& change) {
    std::filesystem::copy_file(path("whole.db"), path("a.db"),
                               std::filesystem::copy_options::overwrite_existing);
    sqlite::Connection(path("a.db"), SQLITE_OPEN_READWRITE).execute(change);
    return error_of([&] { all_contents(Store::open(path("a.db"), Store::Mode::read)); });
  };
  EXPECT_THAT(message("UPDATE cell SET threads = 4294967297"),
              HasSubstr("a.db: table cell: column threads: '4294967297' is not a whole number"));
  EXPECT_THAT(message("UPDATE cell SET dtype_q = 'f99'"), HasSubstr("a.db: table cell: dtype: 'f99'"));
  EXPECT_THAT(message("UPDATE cell SET num_q_heads = 6"), HasSubstr("does not divide num_q_heads = 6"));
  EXPECT_THAT(message("UPDATE kernel SET kernel_id = 'x' || kernel_id, mechanism = 'x' || mechanism"),
              HasSubstr("mechanism: 'xmha'"));
  EXPECT_THAT(message("UPDATE sample SET time_seconds = 1e300 WHERE valid"),
              HasSubstr("a.db: table sample: time_seconds: '1e+300' is not a time a call can take"));
}

// What a crashed kernel printed may be the reason of a failure.
TEST_F(StoreTest, TextThatIsNoUtf8IsReadWithReplacements) {
  auto contents = sample_contents();
  contents.failures[0].reason = "caf\xe9";
  Store::open(path("a.db"), Store::Mode::write).add_contents({contents});
  const auto runs = all_contents(Store::open(path("a.db"), Store::Mode::read));
  EXPECT_EQ(runs[0].failures[0].reason, "caf\xef\xbf\xbd");
}

TEST_F(StoreTest, PathsThatCannotBeUsedAreSaidAtOpen) {
  EXPECT_THAT(error_of([&] { Store::open(path("no/such/dir/a.db"), Store::Mode::write); }),
              HasSubstr("cannot be written: No such file"));
  EXPECT_THAT(error_of([&] { Store::open(directory_.string(), Store::Mode::write); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(error_of([&] { Store::open("/dev/null", Store::Mode::write); }),
              HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { Store::open(path("absent.db"), Store::Mode::read); }),
              HasSubstr("No such file"));
  EXPECT_FALSE(std::filesystem::exists(path("absent.db")));
  write_text(path("empty.db"), "");
  EXPECT_THAT(error_of([&] { Store::open(path("empty.db"), Store::Mode::read); }), HasSubstr("is empty"));
}

TEST_F(StoreTest, FullDiskKeepsWhatWasCommitted) {
  const auto contents = sample_contents();
  const auto child = fork();
  if (child == 0) {
    auto store = Store::open(path("a.db"), Store::Mode::write);
    store.add_contents({contents});
    // Writing beyond the limit fails as on a full disk, once SIGXFSZ no longer kills.
    std::signal(SIGXFSZ, SIG_IGN);
    const auto size = std::filesystem::file_size(path("a.db"));
    const rlimit limit{size + 8192, size + 8192};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto process = contents.processes[0];
    process.process = 60;
    *process.noise = {{"words", std::string(100000, 'n')}};
    try {
      store.add_process(1, process);
    } catch (const StoreError& error) {
      const std::string message = error.what();
      const bool named = message.find(path("a.db")) != std::string::npos;
      // The store stays usable: a process that still fits is taken.
      *process.noise = nullptr;
      process.samples.resize(2);
      store.add_process(1, process);
      _exit(named && message.find("intact") != std::string::npos ? 0 : 2);
    }
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const auto store = Store::open(path("a.db"), Store::Mode::read);
  const auto processes = store.processes(1, contents.cells[0].cell_id);
  ASSERT_EQ(processes.size(), 3U);
  EXPECT_EQ(processes[0].samples.size(), contents.processes[0].samples.size());
  EXPECT_EQ(processes[2].samples.size(), 2U);
}

TEST_F(StoreTest, SqliteFullIsSaidInWords) {
  sqlite::Connection connection(path("a.db"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  connection.execute("PRAGMA max_page_count = 3; CREATE TABLE t (x)");
  const auto message = error_of([&] { connection.execute("INSERT INTO t VALUES (zeroblob(100000))"); });
  EXPECT_THAT(message, HasSubstr("the disk is full"));
  EXPECT_THAT(message, HasSubstr(path("a.db")));
}

}  // namespace
}  // namespace attnbench
