#pragma once

#include <cstdint>
#include <functional>

namespace attnbench::reference {

/// Calls work(begin, end) for pieces of [0, count) of at most `piece` each: on the calling thread and on
/// others, which run on the CPUs that this program started with (see allowed_cpus()) wherever the caller is
/// bound. For work that is not timed. Returns when all is done; throws what a piece threw first.
void on_all_cpus(std::int64_t count, std::int64_t piece,
                 const std::function<void(std::int64_t begin, std::int64_t end)>& work);

}  // namespace attnbench::reference
