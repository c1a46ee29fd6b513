#include "reference/on_all_cpus.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "attnbench/cpu_device.h"

namespace attnbench::reference {
namespace {

TEST(OnAllCpus, EachIndexOnceInPiecesOfTheSize) {
  for (const std::int64_t count : {0, 1, 6, 7, 8, 1000}) {
    std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
    on_all_cpus(count, 7, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(begin % 7, 0);
      EXPECT_TRUE(end == begin + 7 || (end == count && end > begin && end < begin + 7));
      for (auto n = begin; n < end; ++n) ++done[static_cast<std::size_t>(n)];
    });
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

TEST(OnAllCpus, ThrowsWhatAPieceThrew) {
  EXPECT_THROW(on_all_cpus(100, 1,
                           [](std::int64_t begin, std::int64_t) {
                             if (begin == 37) throw std::out_of_range("37");
                           }),
               std::out_of_range);
}

// Each piece waits for another one to begin, which only another thread can do.
TEST(OnAllCpus, PiecesRunBesideEachOther) {
  if (allowed_cpus().size() < 2) GTEST_SKIP() << "one CPU";
  std::atomic<int> begun{0};
  std::atomic<bool> alone{false};
  on_all_cpus(2, 1, [&](std::int64_t, std::int64_t) {
    ++begun;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (begun < 2 && !alone) {
      if (std::chrono::steady_clock::now() > end) alone = true;
      std::this_thread::yield();
    }
  });
  EXPECT_FALSE(alone);
}

}  // namespace
}  // namespace attnbench::reference
