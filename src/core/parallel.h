#pragma once

#include <cstdint>
#include <type_traits>

namespace attnbench {

/// Called as (begin, end, thread) with 0 <= thread < threads.
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end, int thread);

/// Splits [0, count) into at most `threads` contiguous ranges and runs them on the process's one pool: OpenMP
/// (libgomp, which oneDNN brings) in GCC builds, std::thread elsewhere. Where the pool has fewer threads to
/// give (OMP_THREAD_LIMIT, OMP_DYNAMIC, a call from inside another), each runs several ranges, one after the
/// other. Allocates nothing after the first call with that many threads. An exception in the body ends the
/// program.
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

/// From now on, whatever OMP_DYNAMIC says, a busy machine gets calls from this thread no fewer threads.
void ask_for_full_teams();
/// So many threads the pool may give one call, by its settings; starts none of them.
int most_threads();
/// So many threads the pool gives a call that asks for `threads`.
int team_size(int threads);
/// Throws InputError where `granted` is below `threads`, naming the settings that limit the pool: a time must
/// be one of as many threads as it says.
void require_threads(int threads, int granted);

/// "openmp" or "std::thread".
const char* parallel_backend();

}  // namespace attnbench
