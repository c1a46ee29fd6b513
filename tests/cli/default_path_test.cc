#include <gtest/gtest.h>

#include <map>
#include <set>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing_support::TemporaryDirectory;

/// Paths with samples, by mechanism/kernel@engine.
std::map<std::string, std::set<std::string>> timed_paths(const std::string& store_path) {
  const auto store = Store::open(store_path, Store::Mode::read);
  const auto run = store.runs().front().id;
  const auto cell = store.cells(run).front();
  std::set<std::string> timed;
  for (const auto& process : store.processes(run, cell.cell_id)) {
    for (const auto& sample : process.samples) timed.insert(sample.kernel_id);
  }
  std::map<std::string, std::set<std::string>> paths;
  for (const auto& kernel : cell.kernels) {
    if (timed.contains(kernel.id()))
      paths[kernel.mechanism + "/" + kernel.kernel + "@" + kernel.engine].insert(kernel.path);
  }
  return paths;
}

std::map<std::string, std::set<std::string>> run(const std::vector<std::string>& options) {
  const TemporaryDirectory directory;
  std::vector<std::string> words{
      "run", "smoke", "--accept-noise",      "--scope", "core", "--dtype", "f32", "--threads",
      "1",   "--out", directory.file("s.db")};
  words.insert(words.end(), options.begin(), options.end());
  const auto result = testing_support::attnbench(words, 120);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return timed_paths(directory.file("s.db"));
}

TEST(DefaultPathOfARun, QuickTimesOnePathOfEachKernel) {
  const auto timed = run({"--profile", "quick", "--mechanism", "linear"});
  EXPECT_TRUE(timed.contains("linear/fused@cpu"));
  EXPECT_TRUE(timed.contains("linear/two_gemm@cpu"));
  for (const auto& [kernel, paths] : timed) EXPECT_EQ(paths.size(), 1u) << kernel;
}

TEST(DefaultPathOfARun, APathAskedForByNameIsTimed) {
  const auto timed = run({"--profile", "quick", "--mechanism", "linear", "--kernel", ":portable"});
  EXPECT_EQ(timed.at("linear/fused@cpu"), std::set<std::string>{"portable"});
}

}  // namespace
}  // namespace attnbench
