#include "reference/on_all_cpus.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "attnbench/cpu_device.h"
#include "core/affinity.h"

namespace attnbench::reference {

void on_all_cpus(std::int64_t count, std::int64_t piece,
                 const std::function<void(std::int64_t begin, std::int64_t end)>& work) {
  const auto pieces = count / piece + (count % piece != 0 ? 1 : 0);
  std::atomic<std::int64_t> next{0};
  std::exception_ptr first_thrown;
  std::mutex mutex;
  const auto take_pieces = [&] {
    try {
      for (std::int64_t n = next++; n < pieces; n = next++)
        work(n * piece, std::min(count - n * piece, piece) + n * piece);
    } catch (...) {
      next = pieces;
      const std::lock_guard lock(mutex);
      if (!first_thrown) first_thrown = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  try {
    const auto threads = std::min<std::int64_t>(pieces, std::ssize(allowed_cpus()));
    helpers.reserve(static_cast<std::size_t>(threads));
    for (std::int64_t n = 1; n < threads; ++n) {
      helpers.emplace_back([&] {
        restore_start_affinity();
        take_pieces();
      });
    }
  } catch (const std::exception&) {
    // No more threads or no memory for them: those that there are do it all.
  }
  take_pieces();
  for (auto& helper : helpers) helper.join();
  if (first_thrown) std::rethrow_exception(first_thrown);
}

}  // namespace attnbench::reference
