#include "engines/cpu/cache_evictor.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/system/topology.h"

namespace attnbench {
namespace {

constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kDefaultBytes = std::int64_t{64} << 20;

/// A cache that is not inclusive leaves the threads' own level 2 caches alone, so each thread sweeps its own.
std::int64_t sweep_bytes(const CpuDevice& device, const SystemFiles& files) {
  const auto last = last_level_cache_bytes(files, device.cpus).value_or(kDefaultBytes);
  const auto second = cache_bytes(files, device.cpus, 2).value_or(0);
  return 2 * std::max({last, second, assumed_cache_bytes(files)});
}

}  // namespace

CacheEvictor::CacheEvictor(const CpuDevice& device, const SystemFiles& files)
    : threads_(device.threads), buffer_(sweep_bytes(device, files)) {
  // Untouched pages would all be the one zero page, which fits in a cache.
  std::memset(buffer_.data(), 1, static_cast<std::size_t>(buffer_.bytes()));
}

void CacheEvictor::evict() {
  parallel_for(threads_, buffer_.bytes() / kLineBytes, [&](std::int64_t begin, std::int64_t end, int) {
    const volatile char* const data = buffer_.as<char>();
    for (auto line = begin; line < end; ++line) static_cast<void>(data[line * kLineBytes]);
  });
}

}  // namespace attnbench
