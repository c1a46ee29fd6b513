#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include "core/parallel.h"

namespace attnbench {
namespace {

bool is_openmp_runtime(std::string_view file) {
  for (const std::string_view prefix : {"libgomp", "libomp", "libiomp"}) {
    if (file.starts_with(prefix)) return true;
  }
  return false;
}

/// Files mapped into this process whose names are those of OpenMP runtimes (GNU, LLVM, Intel).
std::set<std::string> loaded_openmp_runtimes() {
  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto slash = line.find('/');
    if (slash == std::string::npos) continue;
    const std::filesystem::path file = line.substr(slash);
    if (is_openmp_runtime(file.filename().string())) runtimes.insert(file.string());
  }
  return runtimes;
}

// Two runtimes are two thread pools that take the cores from each other in the middle of a measurement.
TEST(OpenMpRuntime, NoProcessHasTwo) {
  std::atomic<std::int64_t> sum = 0;
  parallel_for(2, 100, [&](std::int64_t begin, std::int64_t end, int) { sum += end - begin; });
  ASSERT_EQ(sum, 100);

  const auto runtimes = loaded_openmp_runtimes();
  if (std::string_view(parallel_backend()) == "openmp") {
    EXPECT_THAT(runtimes, testing::SizeIs(1));
  } else {
    EXPECT_THAT(runtimes, testing::SizeIs(testing::Le(1u)));
  }
}

}  // namespace
}  // namespace attnbench
