// `attnbench env --issue`: what a maintainer needs, and nothing about who asks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "support/command.h"
#include "support/variable.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::Variable;

TEST(IssueText, TellsMachineBuildAndEnginesAndNobodysName) {
  const Variable home("HOME", "/home/somebody-here");
  const Variable user("USER", "somebody-here");
  const Variable host("HOSTNAME", "laptop-of-somebody");
  const Variable path("OMP_TOOL_LIBRARIES", "/home/somebody-here/tool.so");
  const Variable format("OMP_AFFINITY_FORMAT", "somebody-here on laptop-of-somebody: %A");
  const auto result = attnbench({"env", "--issue", "--threads", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const auto* part :
       {"```\nMachine ", "\nCPU\n", "\nBuild\n", "\n  version ", "\n  commit ", "\n  compiler ",
        "\n  governor ", "\n  turbo ", "\n  hypervisor ", "\nNoise over ", "\nEngines\n", "\n  cpu ",
        "\n  paths for bf16 ", "OMP_AFFINITY_FORMAT=(left out) on (left out): %A",
        "Ceilings are not measured", "tools/pack_store.sh"})
    EXPECT_THAT(result.out, HasSubstr(part));
  EXPECT_THAT(result.out, Not(HasSubstr("Measured ceilings")));
  for (const auto* hidden : {"somebody-here", "laptop-of-somebody", "/home", "tool.so"})
    EXPECT_THAT(result.out, Not(HasSubstr(hidden)));
  char name[256] = "";
  ASSERT_EQ(gethostname(name, sizeof name - 1), 0);
  if (std::string_view(name).size() > 4) {
    EXPECT_THAT(result.out, Not(HasSubstr(name)));
  }
  // No word is an absolute path.
  EXPECT_THAT(result.out, Not(testing::ContainsRegex("[ =\"'(]/[A-Za-z]")));
}

TEST(IssueText, IsNoJson) {
  const auto result = attnbench({"env", "--issue", "--json"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("issue: '--json' is another form of the same"));
}

}  // namespace
}  // namespace attnbench
