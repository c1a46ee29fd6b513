// Engine mlx as a user meets it: in the list, in the environment, and without the module beside the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "attnbench/registry.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

bool is_built() {
  for (const auto& engine : missing_engines()) {
    if (engine.name == "mlx") return false;
  }
  return true;
}

TEST(MlxEngine, IsListedOrNamedWithWhatMakesItPresent) {
  const auto list = testing_support::attnbench({"list"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  if (is_built()) {
    for (const char* kernel : {"gather_view", "two_gemm", "sdpa_fallback"})
      EXPECT_THAT(list.out, HasSubstr(kernel));
    EXPECT_THAT(list.out, testing::Not(HasSubstr("not built: MLX")));
  } else {
    EXPECT_THAT(list.out, testing::ContainsRegex("mlx +not built: .*"));
  }
}

TEST(MlxEngine, ItsVersionAndItsBlasAreInTheEnvironment) {
  if (!is_built()) GTEST_SKIP() << "engine mlx is a folder not built";
  const auto env = testing_support::attnbench({"env", "--json", "--no-ceilings", "--threads", "1"});
  ASSERT_EQ(env.exit_code, 0) << env.err;
  const auto libraries = nlohmann::json::parse(env.out).at("environment").at("libraries");
  EXPECT_THAT(libraries.at("mlx").get<std::string>(), HasSubstr("(MLX_ENABLE_TF32=0)"));
  EXPECT_THAT(libraries.at("mlx_blas").get<std::string>(), StartsWith("OpenBLAS "));
}

TEST(MlxEngine, WithoutTheModuleTheProgramStartsAndSaysWhatIsMissing) {
  if (!is_built()) GTEST_SKIP() << "engine mlx is a folder not built";
  const testing_support::TemporaryDirectory directory;
  const auto copy = directory.file("attnbench");
  std::filesystem::copy_file(testing_support::program(), copy);
  const auto result = testing_support::attnbench(
      {"verify", "--kernel", "two_gemm@mlx,two_gemm@cpu", "--shapes", "1", "--dtype", "f32", "--json"}, 120,
      "", copy);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto verdicts = nlohmann::json::parse(result.out);
  ASSERT_EQ(verdicts.size(), 2u);
  for (const auto& verdict : verdicts) {
    if (verdict.at("kernel") == "two_gemm@cpu") {
      EXPECT_GT(verdict.at("passed"), 0);
      continue;
    }
    EXPECT_EQ(verdict.at("passed"), 0);
    ASSERT_EQ(verdict.at("unsupported").size(), 1u);
    EXPECT_THAT(verdict.at("unsupported").begin().key(),
                HasSubstr("the module of engine mlx cannot be loaded: libattnbench_mlx.so: cannot open"));
  }
}

}  // namespace
}  // namespace attnbench
