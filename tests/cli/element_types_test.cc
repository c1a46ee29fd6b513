#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/command.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using testing_support::text_of;

// f16 from the command line to the store, out as CSV, in again, and into the summary.
TEST(ElementTypes, F16IsMeasuredKeptAndShown) {
  const TemporaryDirectory directory;
  const auto store = directory.file("s.db"), csv = directory.file("s.csv"), again = directory.file("t.db");
  const auto run = attnbench({"run", "smoke", "--accept-noise", "--scope", "core", "--dtype", "f16",
                              "--mechanism", "mha,linear", "--kernel", "@cpu", "--seqlen", "32", "--threads",
                              "1", "--quiet", "--out", store});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  ASSERT_EQ(attnbench({"export", store, "--out", csv}).exit_code, 0);
  EXPECT_THAT(text_of(csv), HasSubstr("f16"));
  ASSERT_EQ(attnbench({"import", csv, "--out", again}).exit_code, 0);
  const auto summary = attnbench({"analyze", store, "--json"});
  ASSERT_EQ(summary.exit_code, 0) << summary.err;
  const auto parsed = json::parse(summary.out);
  const auto& group = parsed["runs"][0]["groups"][0];
  EXPECT_EQ(group["dtype"], "f16");
  EXPECT_THAT(std::string(group["cells"][0]["cell_id"]), HasSubstr("core-prefill-hot-f16-"));
  std::vector<std::string> timed;
  for (const auto& kernel : group["cells"][0]["kernels"]) {
    if (kernel["executed_flops"].is_number()) timed.push_back(kernel["label"]);
  }
  EXPECT_THAT(timed, testing::IsSupersetOf({"mha unfused", "mha fused", "linear two_gemm", "linear fused"}));
  EXPECT_EQ(json::parse(attnbench({"analyze", again, "--json"}).out)["runs"][0]["groups"][0]["dtype"], "f16");
}

TEST(ElementTypes, VerifyCoversF16AndPathsOfOtherTypesSayNo) {
  const auto result = attnbench(
      {"verify", "--dtype", "f16", "--kernel", "fused@cpu,two_gemm@cpu", "--shapes", "1", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  int computing = 0;
  for (const auto& verdict : json::parse(result.out)) {
    EXPECT_EQ(verdict["dtype"], "f16");
    const std::string kernel = verdict["kernel"];
    const bool computes = kernel == "fused@cpu:portable" || kernel == "two_gemm@cpu";
    EXPECT_EQ(verdict["passed"] > 0, computes) << kernel;
    computing += computes;
  }
  EXPECT_EQ(computing, 3);
}

TEST(ElementTypes, OthersAreRefused) {
  for (const char* command : {"run", "verify"}) {
    const auto result = std::string(command) == "run"
                            ? attnbench({"run", "smoke", "--dtype", "fp8", "--dry-run"})
                            : attnbench({"verify", "--dtype", "fp8", "--kernel", "unfused"});
    EXPECT_EQ(result.exit_code, 2) << command;
    EXPECT_THAT(result.err, HasSubstr("dtype: 'fp8'")) << command;
    EXPECT_THAT(result.err, HasSubstr("f32, bf16, f16")) << command;
  }
}

}  // namespace
}  // namespace attnbench
