#include "run/noise/sentinel.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/parallel.h"

namespace attnbench {
namespace {

// Per thread; a chain alone would not see who shares the core. Source and target together are more than a
// first-level cache holds (128 KiB at most) and less than a second-level one (256 KiB at least). With 1 MiB,
// as much as the second level of a Zen 4 holds, a run took 0.34 or 0.55 ms by turns (data/peers-zen4), which
// most kernels' times did not follow.
constexpr std::int64_t kCopyBytes = 96 * 1024;
constexpr int kCopies = 84;
constexpr int kChainSteps = 100'000;

/// xorshift: each step needs the last, so that no compiler can shorten or vectorise it.
std::uint64_t chain(std::uint64_t state) {
  for (int step = 0; step < kChainSteps; ++step) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

}  // namespace

Sentinel::Sentinel(int threads)
    : threads_(threads), source_(threads * kCopyBytes), target_(threads * kCopyBytes) {
  parallel_for(threads_, threads_, [&](std::int64_t begin, std::int64_t end, int) {
    std::memset(source_.as<char>() + begin * kCopyBytes, 1,
                static_cast<std::size_t>((end - begin) * kCopyBytes));
    std::memset(target_.as<char>() + begin * kCopyBytes, 2,
                static_cast<std::size_t>((end - begin) * kCopyBytes));
  });
}

double Sentinel::run_seconds() {
  const auto start = std::chrono::steady_clock::now();
  parallel_for(threads_, threads_, [&](std::int64_t begin, std::int64_t end, int thread) {
    const auto state = chain(state_ + static_cast<std::uint64_t>(thread));
    for (auto part = begin; part < end; ++part) {
      auto* const source = source_.as<char>() + part * kCopyBytes;
      auto* const target = target_.as<char>() + part * kCopyBytes;
      std::memcpy(source, &state, sizeof state);
      for (int copy = 0; copy < kCopies / 2; ++copy) {
        std::memcpy(target, source, kCopyBytes);
        std::memcpy(source, target, kCopyBytes);
      }
    }
  });
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::memcpy(&state_, target_.data(), sizeof state_);
  return seconds;
}

}  // namespace attnbench
