#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"

namespace attnbench {
namespace {

TEST(OpenDevice, SaysWhyAnEngineOffersNone) {
  const auto names = device_names();
  if (std::find(names.begin(), names.end(), "cuda:0") != names.end()) GTEST_SKIP() << "there is a GPU";
  try {
    open_device("cuda:0", cpu_device(1));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::MatchesRegex("device: 'cuda:0' is not here; there is cpu.* "
                                                    "\\((cuda: .+|engine cuda is not built: .+)\\)"));
  }
}

}  // namespace
}  // namespace attnbench
