// The field lists of the stored records, on records of which no two fields hold the same: what is written
// under one name is what the struct holds under it, in JSON, in the store and in an export, and comes back.
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <typeinfo>

#include "attnbench/error.h"
#include "io/json.h"
#include "io/record_json.h"
#include "store/export.h"
#include "store/import.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char* const kKernel = "swa(w=64,causal)/masked@cpu:avx512";
const char* const kCell = "a cell";

VerificationRecord distinct_verification() {
  VerificationRecord v;
  v.cell_id = kCell;
  v.kernel_id = kKernel;
  v.passed = true;
  v.reason = "why it passed";
  v.max_error = 1e-7;
  v.plain_error = 2e-7;
  v.tolerance = 3e-7;
  v.median_call_seconds = 0.004;
  v.rerun_bitwise = true;
  v.unchanged_alone = false;
  v.unchanged_threads = true;
  v.workspace_bytes = 8192;
  v.peak_bytes = 4096;
  v.prepare_seconds = 0.005;
  v.first_call_seconds = 0.006;
  return v;
}

/// Where the one above holds the same twice, this one differs.
VerificationRecord other_verification() {
  auto v = distinct_verification();
  v.kernel_id = "mha/unfused@onednn";
  v.rerun_bitwise = false;
  v.unchanged_threads = std::nullopt;
  return v;
}

CellRecord distinct_cell() {
  CellRecord cell;
  cell.cell_id = kCell;
  cell.device = "cpu";
  cell.threads = 3;
  cell.cpus = {4, 5};
  cell.condition = "cold";
  cell.phase = "decode";
  cell.scope = "core";
  auto& s = cell.shape;
  s.batch = 2;
  s.num_q_heads = 8;
  s.seqlen_q = 5;
  s.seqlen_kv = 700;
  s.head_dim_qk = 48;
  s.head_dim_v = 96;
  s.dtype_q = DType::f32;
  s.dtype_kv = DType::bf16;
  s.dtype_o = DType::f16;
  s.layout = Layout::bshd;
  s.softmax_scale = 0.125;
  s.d_model = 0;
  s.seqlens_kv = {600, 700};
  KernelRecord first;
  first.mechanism = "swa(w=64,causal)";
  first.kernel = "masked";
  first.engine = "cpu";
  first.path = "avx512";
  first.num_kv_heads = 4;
  first.support_reason = "why not";
  first.batch_calls = 7;
  first.quarantine_reason = "what went wrong";
  first.form = "fused";
  KernelRecord second;
  second.mechanism = "mha";
  second.kernel = "unfused";
  second.engine = "onednn";
  second.num_kv_heads = 8;
  second.is_baseline = true;
  second.batch_calls = 9;
  cell.kernels = {first, second};
  return cell;
}

RunContents distinct_contents() {
  RunContents contents;
  contents.run = {"a study", "quick", 0xfedcba9876543210ULL,    "aa11",
                  "bb22",    "cc33",  json{{"study", "smoke"}}, json{{"cpu", {{"model", "a CPU"}}}}};
  contents.cells = {distinct_cell()};
  contents.verifications = {distinct_verification(), other_verification()};
  ProcessRecord process;
  process.cell_id = kCell;
  process.process = 6;
  process.valid = false;
  process.reason = "too loud";
  process.started_utc = "2026-01-02T03:04:05Z";
  process.boot_id = "a boot";
  process.orders = {{1, 0, 2}};
  process.order_kernels = {kKernel, "mha/unfused@onednn", "alias"};
  process.noise = json{{"steal_share", 0.001}};
  process.kernels = json{{kKernel, {{"warmup_calls", 12}}}};
  process.samples = {{3, 2, "kernel", kKernel, 10, 0.25, 4, false, "a stopped clock"},
                     {5, 1, "sentinel", "", 1, 0.5, 0, true, ""}};
  contents.processes = {process};
  contents.failures = {{kCell, kKernel, "measure", "killed by signal 11"}};
  return contents;
}

/// Every pair of fields of one type must differ in at least one of the records.
template <typename Record>
void expect_fields_apart(const std::vector<Record>& records) {
  std::map<std::string, std::pair<std::string, std::string>> fields;  // name: type, values in all records
  for (const auto& record : records) {
    visit_fields(record, [&](const char* name, const auto& value) {
      fields[name].first = typeid(value).name();
      JsonDocument written;
      write_field(written, name, value);
      fields[name].second += written->at(name).dump() + ';';
    });
  }
  for (auto one = fields.begin(); one != fields.end(); ++one) {
    for (auto other = std::next(one); other != fields.end(); ++other)
      EXPECT_NE(one->second, other->second) << one->first << " and " << other->first << " hold the same";
  }
}

TEST(RecordFields, OfTheseRecordsAreApart) {
  const auto contents = distinct_contents();
  expect_fields_apart(std::vector{contents.run});
  expect_fields_apart(contents.cells);
  expect_fields_apart(std::vector{contents.cells[0].shape});
  expect_fields_apart(contents.cells[0].kernels);
  expect_fields_apart(contents.verifications);
  expect_fields_apart(contents.processes);
  expect_fields_apart(contents.processes[0].samples);
  expect_fields_apart(contents.failures);
}

const json kVerification = json::parse(R"json({
  "cell_id": "a cell", "kernel_id": "swa(w=64,causal)/masked@cpu:avx512", "passed": true, "reason": "why it passed",
  "max_error": 1e-7, "plain_error": 2e-7, "tolerance": 3e-7, "median_call_seconds": 0.004,
  "rerun_bitwise": true, "unchanged_alone": false, "unchanged_in_batch": null, "unchanged_threads": true,
  "workspace_bytes": 8192, "peak_bytes": 4096, "prepare_seconds": 0.005, "first_call_seconds": 0.006})json");
const json kCellFields = json::parse(R"json({
  "cell_id": "a cell", "device": "cpu", "threads": 3, "cpus": [4, 5], "condition": "cold", "phase": "decode",
  "scope": "core", "shape": {"batch": 2, "num_q_heads": 8, "seqlen_q": 5, "seqlen_kv": 700, "head_dim_qk": 48,
  "head_dim_v": 96, "dtype_q": "f32", "dtype_kv": "bf16", "dtype_o": "f16", "layout": "bshd", "softmax_scale": 0.125,
  "d_model": 0, "seqlens_kv": [600, 700]}})json");
const json kKernelFields = json::parse(R"json({
  "mechanism": "swa(w=64,causal)", "kernel": "masked", "engine": "cpu", "path": "avx512", "num_kv_heads": 4,
  "support_reason": "why not", "is_baseline": false, "batch_calls": 7, "quarantine_reason": "what went wrong",
  "is_default_path": true, "form": "fused"})json");
const json kProcess = json::parse(R"json({
  "cell_id": "a cell", "process": 6, "valid": false, "reason": "too loud", "started_utc": "2026-01-02T03:04:05Z",
  "boot_id": "a boot", "orders": [[1, 0, 2]],
  "order_kernels": ["swa(w=64,causal)/masked@cpu:avx512", "mha/unfused@onednn", "alias"],
  "noise": {"steal_share": 0.001}, "kernels": {"swa(w=64,causal)/masked@cpu:avx512": {"warmup_calls": 12}}})json");
const json kSample = json::parse(R"json({
  "block": 3, "position": 2, "role": "kernel", "kernel_id": "swa(w=64,causal)/masked@cpu:avx512", "batch_calls": 10,
  "time_seconds": 0.25, "priming_calls": 4, "valid": false, "reason": "a stopped clock"})json");
const json kRun = json::parse(R"json({
  "study": "a study", "profile": "quick", "seed": 18364758544493064720, "plan_hash": "aa11", "build_id": "bb22",
  "machine_key": "cc33", "plan": {"study": "smoke"}, "environment": {"cpu": {"model": "a CPU"}}})json");
const json kFailure = json::parse(R"json({
  "cell_id": "a cell", "kernel_id": "swa(w=64,causal)/masked@cpu:avx512", "stage": "measure",
  "reason": "killed by signal 11"})json");

template <typename Record>
void expect_written_as(const Record& record, const json& expected) {
  EXPECT_EQ(*record_json(record), expected);
  Record back;
  read_record(json::parse(expected.dump()), back);
  EXPECT_EQ(*record_json(back), expected);
}

TEST(RecordFields, AreWrittenUnderTheirNames) {
  const auto contents = distinct_contents();
  expect_written_as(contents.run, kRun);
  expect_written_as(contents.cells[0], kCellFields);
  expect_written_as(contents.cells[0].kernels[0], kKernelFields);
  expect_written_as(contents.verifications[0], kVerification);
  expect_written_as(contents.processes[0], kProcess);
  expect_written_as(contents.processes[0].samples[0], kSample);
  expect_written_as(contents.failures[0], kFailure);
}

TEST(RecordFields, NumbersThatAreNotFiniteAreKept) {
  auto v = distinct_verification();
  v.max_error = std::nan("");
  v.plain_error = HUGE_VAL;
  v.tolerance = -HUGE_VAL;
  const auto text = json_text(*record_json(v));
  EXPECT_THAT(text, HasSubstr("\"max_error\":null"));
  EXPECT_THAT(text, HasSubstr("\"plain_error\":\"inf\""));
  EXPECT_THAT(text, HasSubstr("\"tolerance\":\"-inf\""));
  VerificationRecord back;
  read_record(json::parse(text), back);
  EXPECT_TRUE(std::isnan(back.max_error));
  EXPECT_EQ(back.plain_error, HUGE_VAL);
  EXPECT_EQ(back.tolerance, -HUGE_VAL);
}

TEST(RecordFields, AFieldThatIsMissingOrOfAnotherTypeIsNamed) {
  const auto message = [](const json& in) {
    VerificationRecord record;
    try {
      read_record(in, record);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  for (const auto& [name, value] : kVerification.items()) {
    auto without = kVerification;
    without.erase(name);
    EXPECT_THAT(message(without), HasSubstr(name));
    auto wrong = kVerification;
    wrong[name] = json::array();
    EXPECT_THAT(message(wrong), HasSubstr(name + ": '[]'"));
  }
}

class StoredFields : public StoreFixture {
 protected:
  static json row(const sqlite::Connection& connection, const std::string& sql) {
    sqlite::Statement statement(connection, sql);
    EXPECT_TRUE(statement.next());
    return statement.take_json();
  }
};

// The columns as SQL names them, against the values written by hand above.
TEST_F(StoredFields, AreInTheColumnsOfTheirNames) {
  Store::open(path("a.db"), Store::Mode::write).add_contents({distinct_contents()});
  const sqlite::Connection connection(path("a.db"), SQLITE_OPEN_READWRITE);
  const auto expect_columns = [&](const std::string& table, const json& fields, const std::string& where) {
    for (const auto& [name, value] : fields.items()) {
      if (name == "shape" || (table != "cell" && (name == "cell_id" || name == "kernel_id"))) continue;
      const auto column = value.is_structured() ? "json(" + name + "_json)" : "json_quote(" + name + ")";
      auto stored = row(connection, "SELECT " + column + " FROM " + table + " WHERE " + where);
      if (value.is_boolean()) stored = stored == 1;
      if (name == "seed") stored = static_cast<std::uint64_t>(stored.get<std::int64_t>());
      EXPECT_EQ(stored, value) << table << '.' << name;
    }
  };
  expect_columns("run", kRun, "1");
  expect_columns("cell", kCellFields, "1");
  expect_columns("cell", kCellFields["shape"], "1");
  expect_columns("kernel", kKernelFields, "path = 'avx512'");
  expect_columns("verification", kVerification, "rerun_bitwise");
  expect_columns("process", kProcess, "1");
  expect_columns("sample", kSample, "block = 3");
  expect_columns("failure", kFailure, "1");
}

TEST_F(StoredFields, ComeBackFromAStoreAndFromAnExport) {
  const auto given = distinct_contents();
  Store::open(path("a.db"), Store::Mode::write).add_contents({given});
  EXPECT_TRUE(read_runs(path("a.db")).at(0) == given);
  write_text(path("a.csv"), samples_csv({given}));
  write_text(path("a.env.json"), environment_text({given}));
  EXPECT_TRUE(read_runs(path("a.csv")).at(0) == given);
}

TEST_F(StoredFields, NumbersThatAreNotFiniteComeBack) {
  auto given = distinct_contents();
  given.verifications[0].max_error = std::nan("");
  given.verifications[0].plain_error = HUGE_VAL;
  given.verifications[0].tolerance = -HUGE_VAL;
  Store::open(path("a.db"), Store::Mode::write).add_contents({given});
  write_text(path("a.csv"), samples_csv({given}));
  write_text(path("a.env.json"), environment_text({given}));
  for (const auto* file : {"a.db", "a.csv"}) {
    const auto back = read_runs(path(file)).at(0).verifications[0];
    EXPECT_TRUE(std::isnan(back.max_error)) << file;
    EXPECT_EQ(back.plain_error, HUGE_VAL) << file;
    EXPECT_EQ(back.tolerance, -HUGE_VAL) << file;
  }
}

}  // namespace
}  // namespace attnbench
