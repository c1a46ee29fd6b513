#include "store/import.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/export.h"
#include "store/machine_names.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

class ImportTest : public StoreFixture {
 protected:
  void export_to(const std::string& name, const std::vector<RunContents>& runs) const {
    write_text(path(name), samples_csv(runs));
    write_text(environment_file(path(name)), environment_text(runs));
  }
  /// The message of importing an export in which one text was replaced by another, once.
  std::string after_edit(const std::string& from, const std::string& to) {
    auto csv = samples_csv({sample_contents()});
    const auto at = csv.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_text(path("edit.csv"), csv.replace(at, from.size(), to));
    write_text(path("edit.env.json"), environment_text({sample_contents()}));
    return error_of([&] { read_runs(path("edit.csv")); });
  }
};

TEST_F(ImportTest, ExportImportExportIsTheSameToTheByte) {
  auto second = sample_contents("fedcba9876543210");
  second.processes[0].samples[1].time_seconds = 1.0000000000000002e-12;
  second.processes[0].samples[2].time_seconds = 86399.999999999985;
  second.verifications[0].max_error = -HUGE_VAL;
  {
    auto store = Store::open(path("a.db"), Store::Mode::write);
    store.add_contents({sample_contents(), second});
  }
  export_to("a.csv", all_contents(Store::open(path("a.db"), Store::Mode::read)));
  {
    auto store = Store::open(path("b.db"), Store::Mode::write);
    merge_runs(store, read_runs(path("a.csv")));
  }
  export_to("b.csv", all_contents(Store::open(path("b.db"), Store::Mode::read)));
  EXPECT_EQ(read_text(path("b.csv")), read_text(path("a.csv")));
  EXPECT_TRUE(read_text(path("b.env.json")) == read_text(path("a.env.json")));
  EXPECT_GT(read_text(path("a.env.json")).size(), 3000U);
}

TEST_F(ImportTest, OrderOfRowsDoesNotMatter) {
  export_to("a.csv", {sample_contents()});
  auto rows = read_csv(read_text(path("a.csv")), "a.csv");
  std::reverse(rows.begin() + 1, rows.end());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.fields.size(); ++i) text += (i > 0 ? "," : "") + csv_field(row.fields[i]);
    text += "\n";
  }
  write_text(path("reversed.csv"), text);
  std::filesystem::copy_file(path("a.env.json"), path("reversed.env.json"));
  auto store = Store::open(path("b.db"), Store::Mode::write);
  merge_runs(store, read_runs(path("reversed.csv")));
  Store::open(path("c.db"), Store::Mode::write).add_contents({sample_contents()});
  const auto straight = all_contents(Store::open(path("c.db"), Store::Mode::read));
  EXPECT_EQ(samples_csv(all_contents(store)), samples_csv(straight));
  EXPECT_TRUE(environment_text(all_contents(store)) == environment_text(straight));
}

TEST_F(ImportTest, DamagedRowsAreNamedByLineAndField) {
  EXPECT_THAT(after_edit("0.3333333333333333", "0.33x"),
              HasSubstr("line 6, time_seconds: '0.33x' is not a number"));
  EXPECT_THAT(after_edit("0.3333333333333333", "nan"), HasSubstr("time_seconds: 'nan' is not a time"));
  EXPECT_THAT(after_edit("0.3333333333333333", "-1"), HasSubstr("time_seconds: '-1' is not a time"));
  for (const auto* time : {"0", "inf", "1e308", "86400.1", "1e-13"}) {
    EXPECT_THAT(after_edit("0.3333333333333333", time),
                testing::AllOf(HasSubstr("edit.csv: line 6, time_seconds: '"), HasSubstr("is not a time")))
        << time;
  }
  EXPECT_THAT(after_edit("0.3333333333333333", "0.33,1"), HasSubstr("line 6 has 33 fields"));
  EXPECT_THAT(after_edit(",kernel,mha", ",kernal,mha"), HasSubstr("line 5, role: 'kernal'"));
  EXPECT_THAT(after_edit(",masked,", ",fused,"), HasSubstr("line 3, kernel: 'fused'"));
  EXPECT_THAT(after_edit(",avx512,2,", ",avx512,3,"), HasSubstr("threads: '3' contradicts the .env.json"));
  EXPECT_THAT(after_edit("q128,0,0,2,", "q128,9,0,2,"), HasSubstr("line 6, process: '9'"));
  EXPECT_THAT(after_edit("q128,0,0,2,", "q128,0,zero,2,"), HasSubstr("line 6, block: 'zero' is not a whole"));
  EXPECT_THAT(after_edit("q128,0,0,4,sentinel", "q128,0,0,0,sentinel"),
              HasSubstr("lines 4 and 8 are the same"));
  EXPECT_THAT(after_edit("true,\n", "yes,\n"), HasSubstr("line 2, valid: 'yes'"));
  EXPECT_THAT(after_edit("true,\n", "false,\n"), HasSubstr("line 2, reason: ''"));
  EXPECT_THAT(after_edit("machine,device", "host,device"),
              HasSubstr("field 1 is 'host', expected 'machine'"));
  EXPECT_THAT(after_edit("seqlen_q,seqlen_kv", "seqlen_kv,seqlen_q"), HasSubstr("field 22 is 'seqlen_kv'"));
}

TEST_F(ImportTest, MissingRowsAndDamagedCompanionAreNamed) {
  const auto csv = samples_csv({sample_contents()});
  write_text(path("a.csv"), csv.substr(0, csv.rfind('\n', csv.size() - 2) + 1));
  EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }), HasSubstr("a.env.json' is missing"));
  write_text(path("a.env.json"), environment_text({sample_contents()}));
  EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }), HasSubstr("has 11 rows of process 0"));
  write_text(path("a.env.json"), "{\"attnbench_export\": 1,\n \"runs\": [");
  EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }),
              testing::AllOf(HasSubstr("a.env.json"), HasSubstr("line 2")));
  write_text(path("a.env.json"), "{\"attnbench_export\": 3}");
  EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }), HasSubstr("attnbench_export: '3'"));
  for (const auto* version : {"1.9", "true", "4294967297", "\"1\""}) {
    auto document = nlohmann::json::parse(environment_text({sample_contents()}));
    document["attnbench_export"] = nlohmann::json::parse(version);
    write_text(path("a.env.json"), document.dump());
    EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }),
                HasSubstr("a.env.json: attnbench_export: '" + document["attnbench_export"].dump() + "' is"))
        << version;
  }
  write_text(path("a.env.json"), "{\"attnbench_export\": 1, \"runs\": [{}]}");
  EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }),
              HasSubstr("a.env.json: runs[0]: machine: 'nothing'"));
  write_text(path("empty.csv"), "");
  EXPECT_THAT(error_of([&] { read_runs(path("empty.csv")); }),
              HasSubstr("is empty: nothing was stored in it"));
  EXPECT_THAT(error_of([&] { read_runs(path("absent.csv")); }), HasSubstr("absent.csv"));
  EXPECT_THAT(error_of([&] { read_runs(directory_.string()); }), HasSubstr("Is a directory"));
}

/// The environment document with one value changed.
struct DamagedField {
  const char* pointer;
  nlohmann::json value;
  const char* message;
};

TEST_F(ImportTest, DamagedEnvironmentIsNamedByFileAndField) {
  const std::vector<DamagedField> fields = {
      {"/runs/0/plan", 1, "a.env.json: runs[0]: plan: '1' is no JSON object"},
      {"/runs/0/environment", nullptr, "runs[0]: environment: 'null' is no JSON object"},
      {"/runs/0/environment/noise_guard", "perhaps", "noise_guard: 'perhaps' is not one of on, off"},
      {"/runs/0/seed", -1, "runs[0]: seed: '-1'"},
      {"/runs/0/cells/1/shape/batch", 0, "runs[0]: cells[1]: cell 'core-prefill-hot-f32-bhsd-b1-h8-q256'"},
      {"/runs/0/cells/0/shape/dtype_q", nullptr, "cells[0]: dtype_q: 'null' is no text"},
      {"/runs/0/cells/0/cpus", {0, 1.5}, "cells[0]: cpus: '1.5'"},
      {"/runs/0/cells/0/condition", "warm", "condition: 'warm' is not one of hot, cold"},
      {"/runs/0/cells/0/scope", "whole", "scope: 'whole'"},
      {"/runs/0/cells/0/kernels/2/num_kv_heads", 3, "num_kv_heads: '3' does not divide"},
      {"/runs/0/cells/0/kernels/2/mechanism", "swa(w=0)", "kernels[2]: mechanism: 'swa(w=0)'"},
      {"/runs/0/cells/0/kernels/1/is_baseline", true, "is_baseline"},
      {"/runs/0/cells/0/kernels/0/batch_calls", 0, "batch_calls: '0' is below 1"},
      {"/runs/0/cells/0/processes/0/noise", "loud", "processes[0]: noise: '\"loud\"' is no JSON object"},
      {"/runs/0/cells/0/processes/0/process", -1, "process: '-1' is negative"},
      {"/runs/0/cells/0/processes/1/reason", "", "must say why a process is invalid"},
      {"/runs/0/cells/1/cell_id", "core-prefill-hot-f32-bhsd-b1-h8-q128", "appears twice"},
      {"/runs/0/verifications/0/max_error", true, "verifications[0]: max_error: 'true' is no number"},
      {"/runs/0/verifications/0/peak_bytes", -7, "peak_bytes: '-7' is negative"},
      {"/runs/0/cells/0/processes/0/kernels",
       {{"mha/a@cpu", {{"prepare_seconds", -1}}}},
       "kernels[mha/a@cpu]: prepare_seconds: '-1' is no number of 0 or more"},
      {"/runs/0/cells/0/processes/0/kernels",
       {{"mha/a@cpu", {{"executed_flops", "many"}}}},
       "executed_flops: '\"many\"' is no number"},
      {"/runs/0/cells/0/processes/0/kernels",
       {{"mha/a@cpu", {{"recheck", 5}}}},
       "recheck: its document: '5' is no JSON object"},
      {"/runs/0/cells/0/processes/0/kernels",
       {{"mha/a@cpu", {{"recheck", {{"passed", "false"}}}}}},
       "recheck: passed: '\"false\"'"},
      {"/runs/0/cells/0/processes/0/kernels",
       {{"mha/a@cpu", {{"recheck", {{"passed", false}, {"reason", ""}}}}}},
       "recheck: reason: '' must say why a kernel failed"},
      {"/runs/0/verifications/0/kernel_id", "mha/none@cpu", "kernel_id: 'mha/none@cpu' is no kernel of cell"},
      {"/runs/0/failures/0/stage", "lunch", "failures[0]: stage: 'lunch'"},
      {"/runs/0/failures/0/cell_id", "none", "cell_id: 'none' is no cell of this run"},
  };
  write_text(path("a.csv"), samples_csv({sample_contents()}));
  for (const auto& field : fields) {
    auto document = nlohmann::json::parse(environment_text({sample_contents()}));
    document[nlohmann::json::json_pointer(field.pointer)] = field.value;
    write_text(path("a.env.json"), document.dump());
    EXPECT_THAT(error_of([&] { read_runs(path("a.csv")); }),
                testing::AllOf(HasSubstr("a.env.json: runs[0]: "), HasSubstr(field.message)))
        << field.pointer;
  }
}

TEST_F(ImportTest, MergingKeepsRunsApartAndRefusesToDouble) {
  export_to("a.csv", {sample_contents()});
  export_to("b.csv", {sample_contents("ffff")});
  auto store = Store::open(path("all.db"), Store::Mode::write);
  EXPECT_TRUE(merge_runs(store, read_runs(path("a.csv")))[0].added);
  EXPECT_TRUE(merge_runs(store, read_runs(path("b.csv")))[0].added);
  EXPECT_EQ(store.runs().size(), 2U);
  const auto again = merge_runs(store, read_runs(path("a.csv")));
  EXPECT_FALSE(again[0].added);
  EXPECT_EQ(again[0].machine, "AMD EPYC 9R14, 2 CPUs");
  EXPECT_EQ(store.runs().size(), 2U);

  auto later = sample_contents("cccc");
  auto resumed = sample_contents();
  resumed.processes.push_back(sample_process(resumed.cells[1], 1));
  EXPECT_THAT(error_of([&] { merge_runs(store, {later, resumed}); }), HasSubstr("another state of the run"));
  EXPECT_EQ(store.runs().size(), 2U) << "all or none";

  auto other_session = sample_contents();
  for (auto& process : other_session.processes) process.started_utc = "2026-02-02T00:00:00Z";
  EXPECT_TRUE(merge_runs(store, {other_session})[0].added) << "a second session is a run of its own";
}

TEST_F(ImportTest, PublishedTable) {
  const auto runs = read_runs(ATTNBENCH_SOURCE_DIR "/data/m4_mlx_published.csv");
  ASSERT_EQ(runs.size(), 1U);
  const auto& published = runs[0];
  EXPECT_EQ(machine_name(published), "Apple M4 (published)");
  EXPECT_EQ(published.run.profile, "published");
  EXPECT_EQ((*published.run.environment)["variance"], "no variance published");
  ASSERT_EQ(published.cells.size(), 4U);
  EXPECT_EQ(published.cells[0].shape.head_dim_qk, 64);
  EXPECT_EQ(published.cells[0].scope, "layer");
  EXPECT_TRUE(std::isnan(published.cells[0].shape.softmax_scale));
  std::vector<std::string> ids;
  for (const auto& kernel : published.cells[0].kernels) ids.push_back(kernel.id());
  EXPECT_THAT(ids,
              testing::ElementsAre("mha/unfused@mlx", "gqa(kv=4)/unfused@mlx", "mqa/unfused@mlx",
                                   "swa(w=32)/gather@mlx", "swa(w=32)/masked@mlx", "swa(w=64)/gather@mlx",
                                   "swa(w=64)/masked@mlx", "swa(w=128)/gather@mlx", "swa(w=128)/masked@mlx",
                                   "block_sparse(bs=32,globals=1)/batched@mlx",
                                   "block_sparse(bs=64,globals=1)/batched@mlx", "linear/two_gemm@mlx",
                                   "causal_linear/cumsum@mlx"));
  std::size_t samples = 0;
  for (const auto& process : published.processes) samples += process.samples.size();
  EXPECT_EQ(samples, 45U);
  EXPECT_EQ(published.processes[0].samples[0].batch_calls, 20);
  EXPECT_DOUBLE_EQ(published.processes[0].samples[0].time_seconds, 1.0431e-3);
  EXPECT_EQ(published.cells[0].kernels[1].num_kv_heads, 4);

  auto store = Store::open(path("p.db"), Store::Mode::write);
  EXPECT_TRUE(merge_runs(store, runs)[0].added);
  EXPECT_FALSE(merge_runs(store, runs)[0].added);
  export_to("p.csv", all_contents(store));
  auto again = Store::open(path("q.db"), Store::Mode::write);
  merge_runs(again, read_runs(path("p.csv")));
  export_to("q.csv", all_contents(again));
  EXPECT_EQ(read_text(path("p.csv")), read_text(path("q.csv")));
  EXPECT_TRUE(read_text(path("p.env.json")) == read_text(path("q.env.json")));
}

TEST_F(ImportTest, DamagedPublishedTable) {
  const auto message = [&](const std::string& row) {
    write_text(path("p.csv"), "name,b,n,dModel,heads,kvHeads,iters,msPerIter\n" + row + "\n");
    return error_of([&] { read_runs(path("p.csv")); });
  };
  EXPECT_EQ(message("MHA,1,128,512,8,8,20,1.04"), "accepted");
  EXPECT_THAT(message("Attention,1,128,512,8,8,20,1.04"), HasSubstr("line 2, name: 'Attention'"));
  EXPECT_THAT(message("MHA,1,128,512,8,8,20,fast"), HasSubstr("line 2, msPerIter: 'fast' is not a number"));
  EXPECT_THAT(message("MHA,1,128,512,8,8,20,0"), HasSubstr("msPerIter: '0'"));
  for (const auto* time : {"nan", "inf", "1e308", "-1", "86400001", "1e-10"}) {
    EXPECT_THAT(
        message(std::string("MHA,1,128,512,8,8,20,") + time),
        testing::AllOf(HasSubstr("p.csv: line 2, msPerIter: '"), HasSubstr("is not a time a call can take")));
  }
  EXPECT_THAT(message("MHA,1,128,512,8,8,20,1\nSWA(w=0),1,128,512,8,8,20,1"),
              HasSubstr("p.csv: line 3, name: 'SWA(w=0)' is no mechanism"));
  EXPECT_THAT(message("SWA(w=" + std::string(300000, '9') + "),1,128,512,8,8,20,1"),
              HasSubstr("p.csv: line 2, name: 'SWA(w=9"));
  EXPECT_THAT(message(std::string(300000, 'x') + ",1,128,512,8,8,20,1"),
              HasSubstr("p.csv: line 2, name: 'xx"));
  for (const auto* name :
       {"SWA(w=)", "SWA(w=1", "SWA(w=1))", "SWA(w=-1)", "SWA(w= 1)", "MHA ", "GQA", "swa(w=32)"})
    EXPECT_THAT(message(std::string(name) + ",1,128,512,8,8,20,1"), HasSubstr("line 2, name: '")) << name;
  EXPECT_THAT(message("mha,1,128,512,8,8,20,1"), HasSubstr("(did you mean 'MHA'"));
  EXPECT_THAT(message("SWA(w=32),1,128,512,8,3,20,1"), HasSubstr("kvHeads: '3' does not divide heads = 8"));
  EXPECT_THAT(message("SWA(w=32),1,128,512,8,0,20,1"), HasSubstr("kvHeads: '0' is below 1"));
  EXPECT_THAT(message("SWA(w=32),1,128,512,8,-4,20,1"), HasSubstr("kvHeads: '-4' is below 1"));
  EXPECT_THAT(message("SWA(w=32),1,128,512,8,9223372036854775808,20,1"),
              HasSubstr("kvHeads: '9223372036854775808'"));
  EXPECT_THAT(message("MHA,1,128,512,8,4,20,1"), HasSubstr("line 2, num_kv_heads: '4' differs"));
  EXPECT_THAT(message("MHA,1,4611686018427387904,512,8,8,20,1"), HasSubstr("p.csv: line 2, batch x"));
  EXPECT_THAT(message("MHA,1,-128,512,8,8,20,1"), HasSubstr("n: '-128' is below 1"));
  EXPECT_THAT(message("MHA,1,128,500,8,8,20,1"), HasSubstr("dModel: '500'"));
  EXPECT_THAT(message("GQA(kv=4),1,128,512,8,2,20,1"), HasSubstr("kvHeads: '2' contradicts"));
  EXPECT_THAT(message("MHA,1,128,512,8,8,20,1\nMHA,1,128,512,8,8,20,2"), HasSubstr("line 3, name: 'MHA'"));
  EXPECT_THAT(message("MHA,1,128,512,8,8,20"), HasSubstr("line 2 has 7 fields"));
}

}  // namespace
}  // namespace attnbench
