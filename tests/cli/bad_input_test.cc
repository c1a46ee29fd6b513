#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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
  std::filesystem::create_directory(directory.file("folder"));
}

class Rejected : public testing::TestWithParam<BadInput> {};

TEST_P(Rejected, NamesFieldAndValueAndExitsWithTwo) {
  const TemporaryDirectory directory;
  fill(directory);
  auto arguments = GetParam().arguments;
  for (auto& argument : arguments) {
    if (const auto at = argument.find("DIR"); at != std::string::npos)
      argument.replace(at, 3, directory.path());
  }
  const auto result = testing_support::attnbench(arguments, 60, directory.path());
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr(GetParam().message));
  std::ifstream survivor(directory.file("text.db"));
  std::string line;
  std::getline(survivor, line);
  EXPECT_EQ(line, "this is no database, but it must survive");
}

const std::vector<BadInput> kCases = {
    {"unknown_study", {"run", "papr"}, "did you mean 'paper'"},
    {"unknown_profile", {"run", "smoke", "--profile", "quik"}, "did you mean 'quick'"},
    {"unknown_mechanism", {"run", "smoke", "--mechanism", "mah"}, "did you mean 'mha'"},
    {"unknown_kernel", {"run", "smoke", "--kernel", "unfusd"}, "did you mean 'unfused"},
    {"unknown_dtype", {"run", "smoke", "--dtype", "f23"}, "dtype: 'f23'"},
    {"window_zero", {"run", "smoke", "--mechanism", "swa(w=0)"}, "w=0"},
    {"zero_seqlen", {"run", "smoke", "--seqlen", "0"}, "'0' is not a positive size"},
    {"negative_seqlen", {"run", "smoke", "--seqlen", "-5"}, "-5"},
    {"heads_not_divisible",
     {"run", "smoke", "--heads", "4", "--kv-heads", "3"},
     "num_kv_heads: '3' does not divide"},
    {"overflowing_size", {"run", "smoke", "--seqlen", "4611686018427387904"}, "overflows"},
    {"too_many_threads", {"run", "smoke", "--threads", "100000", "--dry-run"}, "threads: '100000'"},
    {"bad_budget", {"run", "smoke", "--budget", "soon"}, "budget: 'soon'"},
    {"bad_timeout", {"run", "smoke", "--kernel-timeout", "0"}, "kernel-timeout: '0'"},
    {"guard_off_in_publish", {"run", "smoke", "--profile", "publish", "--accept-noise"}, "noise guard"},
    {"missing_plugin", {"run", "smoke", "--plugin", "DIR/none.so"}, "plugin: "},
    {"corrupt_study", {"run", "DIR/broken.toml"}, "broken.toml:3"},
    {"nan_scale", {"run", "DIR/nan.toml"}, "softmax_scale"},
    {"foreign_store", {"run", "smoke", "--out", "DIR/text.db"}, "text.db"},
    {"unwritable_store", {"run", "smoke", "--out", "DIR/no/such/place.db"}, "place.db"},
    {"folder_as_store", {"run", "smoke", "--out", "DIR/folder"}, "folder"},
    {"export_missing_store", {"export", "DIR/none.db", "--format", "csv"}, "none.db"},
    {"export_foreign_store", {"export", "DIR/text.db", "--format", "csv"}, "text.db"},
    {"export_unknown_format", {"export", "DIR/text.db", "--format", "cvs"}, "cvs"},
    {"analyze_missing_store", {"analyze", "DIR/none.db"}, "none.db"},
    {"analyze_foreign_store", {"analyze", "DIR/text.db"}, "text.db"},
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
  EXPECT_THAT(result.out, HasSubstr("does not fit in memory: needs"));
  EXPECT_THAT(result.out, HasSubstr("GiB are available"));
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
