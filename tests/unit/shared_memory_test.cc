#include "run/verification/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

namespace attnbench {
namespace {

int duplicate(const SharedWriter& writer) { return fcntl(writer.descriptor(), F_DUPFD_CLOEXEC, 0); }

TEST(SharedMemory, IsReadInTheOrderInWhichItWasWritten) {
  SharedWriter writer;
  writer.put_value(std::int8_t{-7});
  writer.put_list(std::vector<double>{0.5, -2});
  writer.skip(100);
  const auto later = writer.position();
  writer.put_list(std::vector<std::int16_t>{});
  writer.put_value(std::int64_t{1} << 40);
  writer.seal();

  SharedReader reader(duplicate(writer));
  EXPECT_EQ(reader.take_value<std::int8_t>(), -7);
  EXPECT_EQ(reader.take_list<double>(), (std::vector<double>{0.5, -2}));
  const auto* room = static_cast<const char*>(reader.take(100));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room) % 64, 0u);
  EXPECT_EQ(room[0] | room[99], 0);
  EXPECT_TRUE(reader.take_list<std::int16_t>().empty());
  EXPECT_EQ(reader.take_value<std::int64_t>(), std::int64_t{1} << 40);
  EXPECT_THROW(reader.take(1), std::out_of_range);
  reader.seek(later);
  EXPECT_TRUE(reader.take_list<std::int16_t>().empty());
}

TEST(SharedMemory, WhoeverWritesChangesACopyOfHisOwn) {
  SharedWriter writer;
  writer.put_value(std::int64_t{11});
  writer.seal();
  SharedReader vandal(duplicate(writer)), other(duplicate(writer));
  *static_cast<std::int64_t*>(vandal.take(8)) = 12;
  EXPECT_EQ(other.take_value<std::int64_t>(), 11);

  const std::int64_t forged = 13;
  EXPECT_EQ(pwrite(writer.descriptor(), &forged, sizeof forged, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, writer.descriptor(), 0), MAP_FAILED);
}

}  // namespace
}  // namespace attnbench
