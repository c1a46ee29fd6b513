#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

struct BadInput {
  std::string name;
  std::vector<std::string> arguments;  ///< "DIR" stands for a fresh directory
  std::string message;
};

/// A directory with the files that the cases name.
void fill(const TemporaryDirectory& directory) {
  std::ofstream(directory.file("text.db")) << "this is no database, but it must survive\n";
  std::ofstream(directory.file("broken.toml")) << "name = \"x\"\n[[cells]]\nheads = \"many\"\n";
  std::ofstream(directory.file("nan.toml")) << R"(name = "x"
description = "NaN scale"
[[cells]]
scope = "core"
phase = "prefill"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 1
batch = 1
heads = 4
head_dim = 32
seqlen = 16
softmax_scale = nan
mechanisms = ["mha"]
baseline = "mha/unfused@cpu"
)";
  std::ofstream(directory.file("broken.csv"))
      << "name,b,n,dModel,heads,kvHeads,iters,msPerIter\nMHA,1,128,512,8,8,20,fast\n";
  std::ofstream(directory.file("packed.csv.gz")) << "\x1f\x8b\x08 and the rest, with a \"\"quote\n";
  std::ofstream(directory.file("m4.csv"))
      << "name,b,n,dModel,heads,kvHeads,iters,msPerIter\nMHA,1,128,512,8,8,20,0.5\n";
  std::filesystem::create_directory(directory.file("folder"));
  const std::string published = "name,b,n,dModel,heads,kvHeads,iters,msPerIter\n";
  std::ofstream(directory.file("long.csv"))
      << published << "SWA(w=" << std::string(300000, '1') << "),1,128,512,8,8,1,1\n";
  std::ofstream(directory.file("window.csv"))
      << published << "MHA,1,128,512,8,8,1,1\nSWA(w=0),1,128,512,8,8,1,1\n";
  std::ofstream(directory.file("kv.csv")) << published << "SWA(w=32),1,128,512,8,3,1,1\n";
  std::ofstream(directory.file("slow.csv")) << published << "MHA,1,128,512,8,8,1,1e308\n";
  std::ofstream(directory.file("deep.json")) << std::string(100000, '[');
  std::ofstream(directory.file("null.json")) << R"({"format": "attnbench-summary", "version": null})";
  std::ofstream(directory.file("deep.toml")) << "name = " << std::string(100000, '[');
  std::ofstream(directory.file("results")) << "a file\n";
  std::filesystem::create_symlink("loop", directory.file("loop"));
}

std::string in_directory(std::string text, const TemporaryDirectory& directory) {
  for (auto at = text.find("DIR"); at != std::string::npos; at = text.find("DIR"))
    text.replace(at, 3, directory.path());
  return text;
}

class Rejected : public testing::TestWithParam<BadInput> {};

TEST_P(Rejected, NamesFieldAndValueAndExitsWithTwo) {
  const TemporaryDirectory directory;
  fill(directory);
  auto arguments = GetParam().arguments;
  for (auto& argument : arguments) argument = in_directory(argument, directory);
  const auto result = testing_support::attnbench(arguments, 60, directory.path());
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr(in_directory(GetParam().message, directory)));
  std::ifstream survivor(directory.file("text.db"));
  std::string line;
  std::getline(survivor, line);
  EXPECT_EQ(line, "this is no database, but it must survive");
}

const std::vector<BadInput> kCases = {
    {"unknown_study", {"run", "papr"}, "did you mean 'paper'"},
    {"study_loop", {"run", "loop"}, "study: 'loop' cannot be read: Too many levels of symbolic links"},
    {"study_name_too_long",
     {"run", std::string(5000, 'n')},
     "(5000 bytes) cannot be read: File name too long"},
    {"study_nested_too_deep", {"run", "DIR/deep.toml"}, "deep.toml:1: not valid TOML"},
    {"results_is_a_file", {"run", "smoke"}, "out: 'results' cannot be made a folder"},
    {"against_loop", {"run", "smoke", "--against", "loop"}, "against: 'loop' cannot be read"},
    {"store_loop", {"analyze", "loop"}, "'loop' cannot be read: Too many levels"},
    {"store_name_too_long", {"analyze", std::string(5000, 'n')}, "cannot be read: File name too long"},
    {"mechanism_in_capitals", {"run", "smoke", "--mechanism", "MHA"}, "did you mean 'mha'?"},
    {"kernel_in_capitals", {"run", "smoke", "--kernel", "Gather"}, "did you mean 'gather'?"},
    {"study_in_capitals", {"run", "Paper"}, "did you mean 'paper'?"},
    {"format_in_capitals", {"export", "DIR/text.db", "--format", "CSV"}, "did you mean 'csv'?"},
    {"published_name_of_300000_characters",
     {"import", "DIR/long.csv", "--out", "DIR/new.db"},
     "long.csv: line 2, name: 'SWA(w=1"},
    {"published_window_zero",
     {"import", "DIR/window.csv", "--out", "DIR/new.db"},
     "window.csv: line 3, name: 'SWA(w=0)'"},
    {"published_kv_heads",
     {"analyze", "DIR/kv.csv"},
     "kv.csv: line 2, kvHeads: '3' does not divide heads = 8"},
    {"published_time", {"analyze", "DIR/slow.csv"}, "slow.csv: line 2, msPerIter: '1e308' is not a time"},
    {"summary_nested_too_deep", {"report", "DIR/deep.json"}, "deep.json: line 1, column 101"},
    {"summary_of_another_type", {"report", "DIR/null.json"}, "null.json: version: 'null'"},
    {"brief_of_a_summary", {"report", "DIR/null.json", "--brief"}, "null.json' is a summary"},
    {"output_is_a_folder",
     {"analyze", "DIR/text.db", "--csv", "DIR/folder"},
     "csv: 'DIR/folder' cannot be written"},
    {"output_loop", {"analyze", "DIR/text.db", "--tex", "loop"}, "tex: 'loop' cannot be written: Too many"},
    {"output_is_an_input", {"analyze", "DIR/text.db", "--out", "DIR/text.db"}, "would write over an input"},
    {"two_outputs_of_one_name",
     {"analyze", "DIR/text.db", "--out", "DIR/new.x", "--csv", "DIR/./new.x"},
     "csv: 'DIR/./new.x' would write over out"},
    {"export_folder_missing", {"export", "DIR/text.db", "--out", "DIR/no/a.csv"}, "out: 'DIR/no/a.csv'"},
    {"report_to_a_folder",
     {"report", "DIR/text.db", "--out", "DIR/folder"},
     "out: 'DIR/folder' cannot be written"},
    {"unknown_profile", {"run", "smoke", "--profile", "quik"}, "did you mean 'quick'"},
    {"unknown_mechanism", {"run", "smoke", "--mechanism", "mah"}, "did you mean 'mha'"},
    {"unknown_kernel",
     {"run", "smoke", "--kernel", "unfusd"},
     "attnbench: --kernel unfusd: kernel: 'unfusd' matches no registered"},
    {"misspelt_kernel", {"run", "smoke", "--kernel", "unfusd"}, "did you mean 'unfused"},
    {"mechanism_without_its_window",
     {"run", "smoke", "--kernel", "swa/gather"},
     "attnbench: --kernel swa/gather: "},
    {"nothing_left",
     {"run", "decode", "--scope", "layer"},
     "attnbench: --scope layer: scope: 'layer' leaves no"},
    {"study_is_wrong_not_the_option", {"run", "DIR/nan.toml", "--batch", "2"}, "attnbench: DIR/nan.toml:"},
    {"unknown_dtype", {"run", "smoke", "--dtype", "f23"}, "--dtype f23: dtype: 'f23'"},
    {"window_zero", {"run", "smoke", "--mechanism", "swa(w=0)"}, "attnbench: --mechanism swa(w=0): "},
    {"zero_seqlen",
     {"run", "smoke", "--batch", "2", "--seqlen", "0"},
     "attnbench: --seqlen 0: seqlen_q: '0' is not a positive size"},
    {"unknown_cache", {"run", "smoke", "--cache", "warm"}, "attnbench: --cache warm: condition: 'warm'"},
    {"negative_seqlen", {"run", "smoke", "--seqlen", "-5"}, "-5"},
    {"heads_not_divisible",
     {"run", "smoke", "--heads", "4", "--kv-heads", "3"},
     "attnbench: --kv-heads 3: num_kv_heads: '3' does not divide"},
    {"heads_not_divisible_by_two_options",
     {"run", "smoke", "--heads", "6", "--dtype", "f32", "--kv-heads", "4"},
     "attnbench: --heads 6 --kv-heads 4: num_kv_heads: '4' does not divide"},
    {"overflowing_size", {"run", "smoke", "--seqlen", "4611686018427387904"}, "overflows"},
    {"more_scores_than_64_bits",
     {"run", "smoke", "--seqlen", "4000000000", "--dry-run"},
     "seqlen_kv: '1 x 4 x 4000000000 x 4000000000' overflows"},
    {"larger_tensor_than_any_machine",
     {"run", "smoke", "--head-dim", "1000000000000", "--dry-run"},
     "more than 2^50 bytes"},
    {"batch_beyond_memory",
     {"run", "smoke", "--batch", "1000000000", "--dry-run"},
     "does not fit in memory: needs"},
    {"head_dim_beyond_memory",
     {"run", "smoke", "--head-dim", "1000000000", "--dry-run"},
     "does not fit in memory: needs"},
    {"head_dim_beyond_memory_measured",
     {"run", "smoke", "--head-dim", "1000000000", "--accept-noise", "--out", "DIR/new.db"},
     "are available, of which"},
    {"too_many_threads",
     {"run", "smoke", "--threads", "100000", "--dry-run"},
     "--threads 100000: threads: '100000'"},
    {"bad_budget", {"run", "smoke", "--budget", "soon"}, "budget: 'soon'"},
    {"budget_too_short_for_any_machine",
     {"run", "smoke", "--budget", "1s", "--dry-run"},
     "budget: '1 s' is too short"},
    {"bad_timeout", {"run", "smoke", "--kernel-timeout", "0"}, "kernel-timeout: '0'"},
    {"endless_timeout", {"run", "smoke", "--kernel-timeout", "inf"}, "kernel-timeout: 'inf'"},
    {"timeout_of_years", {"run", "smoke", "--kernel-timeout", "1e300"}, "kernel-timeout: '1e+300'"},
    {"negative_seed", {"run", "smoke", "--seed", "-1"}, "seed: '-1'"},
    {"seed_above_64_bits",
     {"run", "smoke", "--seed", "18446744073709551616"},
     "seed: '18446744073709551616'"},
    {"seed_of_words", {"run", "smoke", "--seed", "1x"}, "seed: '1x'"},
    {"earlier_ceilings_in_publish",
     {"run", "smoke", "--profile", "publish", "--ceilings", "DIR/none.json"},
     "ceilings: 'publish'"},
    {"ceilings_that_are_none", {"run", "smoke", "--ceilings", "DIR/none.json"}, "none.json"},
    {"guard_off_in_publish", {"run", "smoke", "--profile", "publish", "--accept-noise"}, "noise guard"},
    {"missing_plugin", {"run", "smoke", "--plugin", "DIR/none.so"}, "plugin: "},
    {"corrupt_study", {"run", "DIR/broken.toml"}, "broken.toml:3"},
    {"nan_scale", {"run", "DIR/nan.toml"}, "softmax_scale"},
    {"foreign_store", {"run", "smoke", "--out", "DIR/text.db"}, "text.db"},
    {"unwritable_store", {"run", "smoke", "--out", "DIR/no/such/place.db"}, "place.db"},
    {"memory_as_store",
     {"run", "smoke", "--out", ":memory:"},
     "store: ':memory:' is SQLite's name for no file"},
    {"memory_as_imported_store", {"import", "DIR/m4.csv", "--out", ":memory:"}, "store: ':memory:'"},
    {"slash_after_store", {"run", "smoke", "--out", "DIR/new.db/"}, "new.db/"},
    {"folder_as_store", {"run", "smoke", "--out", "DIR/folder"}, "folder"},
    {"export_missing_store", {"export", "DIR/none.db", "--format", "csv"}, "none.db"},
    {"export_foreign_store", {"export", "DIR/text.db", "--format", "csv"}, "text.db"},
    {"export_unknown_format", {"export", "DIR/text.db", "--format", "cvs"}, "cvs"},
    {"analyze_missing_store", {"analyze", "DIR/none.db"}, "none.db"},
    {"analyze_foreign_store", {"analyze", "DIR/text.db"}, "text.db"},
    {"analyze_packed_csv", {"analyze", "DIR/packed.csv.gz"}, "gunzip"},
    {"compare_missing_store", {"compare", "DIR/none.db", "DIR/none.db"}, "none.db"},
    {"against_no_program", {"run", "smoke", "--against", "DIR/none"}, "against: "},
    {"import_corrupt_csv", {"import", "DIR/broken.csv", "--out", "DIR/new.db"}, "line 2, msPerIter"},
    {"import_missing_file", {"import", "DIR/none.csv", "--out", "DIR/new.db"}, "none.csv"},
    {"verify_unknown_kernel", {"verify", "--all", "--kernel", "unfusd"}, "unfused"},
    {"env_too_many_threads", {"env", "--threads", "100000"}, "100000"},
    {"unknown_option", {"run", "smoke", "--no-such-option"}, "--no-such-option"},
    {"unknown_command", {"rnu"}, "did you mean 'run'"},
    {"no_command", {}, "subcommand"},
};

INSTANTIATE_TEST_SUITE_P(Input, Rejected, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(TooLargeForMemory, IsRefusedWithBytesNeededAndAvailable) {
  const TemporaryDirectory directory;
  const auto result = testing_support::attnbench(
      {"run", "smoke", "--accept-noise", "--scope", "core", "--dtype", "f32", "--mechanism", "mha",
       "--threads", "1", "--seqlen", "1048576", "--kernel", "unfused", "--out", directory.file("s.db")});
  EXPECT_NE(result.exit_code, 0) << "nothing was measured";
  EXPECT_THAT(testing_support::on_one_line(result.out), HasSubstr("does not fit in memory: needs"));
  EXPECT_THAT(testing_support::on_one_line(result.out), HasSubstr("GiB are available"));
}

TEST(TooLargeForMemory, DryRunListsTheCellThatDoesNotFit) {
  const auto result = testing_support::attnbench({"run", "smoke", "--scope", "core", "--dtype", "f32",
                                                  "--mechanism", "mha", "--threads", "1", "--seqlen", "16",
                                                  "--head-dim", "32,100000000000", "--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("left out in 1 of 2 cells: does not fit in memory: needs 93.13 TiB"));
}

TEST(TooLargeForMemory, DryRunSaysThatItDoesNotKnowTheMemoryBehindALauncher) {
  std::vector<std::string> arguments{"run",       "smoke",      "--head-dim", "100000000000",
                                     "--dry-run", "--launcher", "env"};
  const auto result = testing_support::attnbench(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("memory of the machine that will measure is not known here"));
  arguments.emplace_back("--json");
  EXPECT_THAT(testing_support::attnbench(arguments).out, HasSubstr("\"available_bytes\": null"));
  const auto local = testing_support::attnbench({"run", "smoke", "--dry-run"});
  EXPECT_THAT(local.out, testing::Not(HasSubstr("not known")));
}

TEST(TooLargeForMemory, NothingMeasuredIsNoSuccessEvenWhereTheMemoryIsNotKnownBefore) {
  const TemporaryDirectory directory;
  const auto result =
      testing_support::attnbench({"run", "smoke", "--accept-noise", "--scope", "core", "--dtype", "f32",
                                  "--mechanism", "mha", "--threads", "1", "--seqlen", "16", "--head-dim",
                                  "100000000000", "--launcher", "env", "--out", directory.file("s.db")});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("nothing was measured"));
  EXPECT_THAT(testing_support::on_one_line(result.out),
              HasSubstr("needs 93.13 TiB for this cell's tensors alone"));
}

// Near 2^62 and 2^63 what is computed from a size overflows unless it is looked at before.
TEST(HugeSizes, ArePlannedOrRefused) {
  for (const std::string size : {"2305843009213693952", "4611686018427387903", "4611686018427387904",
                                 "9223372036854775807", "9223372036854775808"}) {
    for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{
             {"--seqlen", size},
             {"--heads", size},
             {"--kv-heads", size},
             {"--head-dim", size},
             {"--batch", size},
             {"--threads", size},
             {"--mechanism", "swa(w=" + size + ")"},
             {"--mechanism", "swa(w=" + size + ",causal)"},
             {"--mechanism", "block_sparse(bs=" + size + ",globals=1)"},
             {"--mechanism", "block_sparse(bs=32,globals=" + size + ")"},
             {"--kernel", "swa(w=" + size + ")"}}) {
      const auto result = testing_support::attnbench({"run", "smoke", "--dry-run", option, value});
      EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 2)
          << option << ' ' << value << ' ' << result.err;
      EXPECT_THAT(result.err, testing::Not(HasSubstr("internal error"))) << option << ' ' << value;
    }
  }
}

TEST(KernelOption, AMechanismAloneKeepsItsKernelsAndTheBaseline) {
  const auto result = testing_support::attnbench(
      {"run", "smoke", "--scope", "core", "--dtype", "f32", "--kernel", "linear", "--dry-run", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::set<std::string> mechanisms;
  const auto plan = nlohmann::json::parse(result.out);
  for (const auto& kernel : plan["cells"][0]["kernels"]) {
    const auto id = kernel["kernel"].get<std::string>();
    const bool is_baseline = id == "mha/unfused@cpu" || id == "mha/unfused_f32@cpu";
    mechanisms.insert(is_baseline ? "baseline" : id.substr(0, id.find('/')));
  }
  EXPECT_THAT(mechanisms, testing::ElementsAre("baseline", "linear"));
}

TEST(Help, EachCommandHasExamples) {
  for (const auto* command : {"list", "env", "run", "verify", "analyze", "compare", "export", "import"}) {
    const auto result = testing_support::attnbench({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr(std::string("attnbench ") + command)) << command;
  }
}

}  // namespace
}  // namespace attnbench
