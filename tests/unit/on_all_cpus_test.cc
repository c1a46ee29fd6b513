#include "reference/on_all_cpus.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

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

}  // namespace
}  // namespace attnbench::reference
