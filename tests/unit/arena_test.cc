// Memory shared with an engine's program.
#include "run/external/arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

#include "run/verification/address_space.h"
#include "support/sanitizer.h"

namespace attnbench {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;

bool can_map(std::size_t bytes) {
  auto* const memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, bytes);
  return true;
}

TEST(Arena, IsNotCountedAgainstTheLimitOfKernels) {
  if (testing_support::under_allocating_sanitizer()) GTEST_SKIP();
  Arena arena;
  const auto before = arena.allocate(kGiB);
  limit_address_space(kGiB / 4, 1);
  const auto region = arena.allocate(20 * kGiB);
  EXPECT_FALSE(can_map(kGiB));
  arena.release(region);
  EXPECT_FALSE(can_map(kGiB));
  arena.release(before);
  EXPECT_FALSE(can_map(kGiB));
  unlimit_address_space();
  EXPECT_TRUE(can_map(kGiB));
}

TEST(Arena, RegionsLieApartAndAreUsedAgain) {
  Arena arena;
  const auto a = arena.allocate(1);
  const auto b = arena.allocate(5000);
  EXPECT_EQ(a.offset, 0u);
  EXPECT_EQ(b.offset, a.bytes);
  std::memset(a.data, 1, a.bytes);
  std::memset(b.data, 2, b.bytes);
  EXPECT_EQ(static_cast<char*>(a.data)[a.bytes - 1], 1);
  arena.release(a);
  const auto c = arena.allocate(1);
  EXPECT_EQ(c.offset, 0u);
  arena.release(b);
  arena.release(c);
}

}  // namespace
}  // namespace attnbench
