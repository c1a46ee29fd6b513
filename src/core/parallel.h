#pragma once

#include <cstdint>
#include <type_traits>

namespace attnbench {

/// Called as (begin, end, thread) with 0 <= thread < threads.
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end, int thread);

/// Splits [0, count) into at most `threads` contiguous ranges and runs them on the process's one pool: OpenMP
/// (libgomp, which oneDNN brings) in GCC builds, std::thread elsewhere. Allocates nothing after the first
/// call with that many threads. An exception in the body ends the program.
void parallel_ranges(int threads, std::int64_t count, RangeBody body, void* context);

template <typename Body>
void parallel_for(int threads, std::int64_t count, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  parallel_ranges(
      threads, count,
      [](void* context, std::int64_t begin, std::int64_t end, int thread) {
        (*static_cast<Callable*>(context))(begin, end, thread);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// "openmp" or "std::thread".
const char* parallel_backend();

}  // namespace attnbench
