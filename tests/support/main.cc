#include <gmock/gmock.h>

#include <csignal>
#include <cstdio>

/// As GoogleTest's own, but a process that ran no test has failed: one with a filter that nothing matches, or
/// a shard too many.
int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // as the program does: a worker that is gone is told by its end
  testing::InitGoogleMock(&argc, argv);
  const int result = RUN_ALL_TESTS();
  const auto& all = *testing::UnitTest::GetInstance();
  if (GTEST_FLAG_GET(list_tests) || all.test_to_run_count() > 0) return result;
  std::puts("FAILED: no test was run");
  return 1;
}
