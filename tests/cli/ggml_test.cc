// Engine ggml as a user meets it: in the list, in the environment and in verification.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attnbench/registry.h"
#include "support/command.h"

namespace attnbench {
namespace {

bool ggml_is_built() {
  for (const auto& engine : missing_engines()) {
    if (engine.name == "ggml") return false;
  }
  return true;
}

TEST(GgmlEngine, IsListedOrNamedWithWhatMakesItPresent) {
  const auto list = testing_support::attnbench({"list"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  if (ggml_is_built()) {
    EXPECT_THAT(list.out, testing::ContainsRegex("flash +ggml"));
    EXPECT_THAT(list.out, testing::Not(testing::HasSubstr("not built: ggml")));
  } else {
    EXPECT_THAT(list.out, testing::ContainsRegex("ggml +not built: .*"));
  }
}

// f16 with fewer than 64 queries is less exact than the oracle allows: not among these.
TEST(GgmlEngine, IsVerified) {
  if (!ggml_is_built()) GTEST_SKIP() << "engine ggml is a folder not built";
  const auto result = testing_support::attnbench(
      {"verify", "--kernel", "flash@ggml,unfused@ggml", "--shapes", "3", "--dtype", "f32,bf16", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const auto& verdict : nlohmann::json::parse(result.out)) {
    EXPECT_GT(verdict.at("passed"), 0) << verdict;
    EXPECT_TRUE(verdict.at("failures").empty()) << verdict;
  }
}

}  // namespace
}  // namespace attnbench
