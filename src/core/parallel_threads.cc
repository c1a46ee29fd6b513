#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/affinity.h"
#include "core/parallel.h"

namespace attnbench {
namespace {

/// Whether this thread is running a part of a job: a job inside is then run by it alone.
thread_local bool t_inside = false;

/// Helpers 1..n-1 sleep until a job with a part for them arrives; the caller has the part 0. A team smaller
/// than the number of parts runs several each.
class Pool {
 public:
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& helper : helpers_) helper.join();
  }

  /// The size of the team that a job of so many parts would get.
  int start(int threads) {
    const std::lock_guard one_job_at_a_time(job_mutex_);
    const std::lock_guard lock(mutex_);
    return static_cast<int>(grow_to(threads));
  }

  void run(std::int64_t parts, std::int64_t count, RangeBody body, void* context) {
    const std::lock_guard one_job_at_a_time(job_mutex_);
    {
      const std::lock_guard lock(mutex_);
      team_ = grow_to(parts);
      parts_ = parts, count_ = count, body_ = body, context_ = context;
      pending_ = team_ - 1;
      ++job_;
    }
    wake_.notify_all();
    run_parts(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return pending_ == 0; });
  }

 private:
  /// Of `threads` as many as the system lets this process have.
  std::int64_t grow_to(std::int64_t threads) {
    const auto size = [this] { return static_cast<std::int64_t>(helpers_.size()) + 1; };
    try {
      while (size() < threads)
        helpers_.emplace_back([this, index = size(), seen = job_] { help(index, seen); });
    } catch (const std::system_error&) {
    }
    return std::min(size(), threads);
  }

  void run_parts(std::int64_t first) {
    t_inside = true;
    for (auto part = first; part < parts_; part += team_)
      body_(context_, part * count_ / parts_, (part + 1) * count_ / parts_, static_cast<int>(part));
    t_inside = false;
  }

  void help(std::int64_t index, std::uint64_t seen) {
    prefer_fast_cores();
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || job_ != seen; });
      if (stopping_) return;
      seen = job_;
      if (index >= team_) continue;
      lock.unlock();
      run_parts(index);
      lock.lock();
      if (--pending_ == 0) done_.notify_one();
    }
  }

  std::mutex job_mutex_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> helpers_;
  std::uint64_t job_ = 0;
  std::int64_t team_ = 1, parts_ = 0, count_ = 0, pending_ = 0;
  RangeBody body_ = nullptr;
  void* context_ = nullptr;
  bool stopping_ = false;
};

Pool& pool() {
  static Pool the_one;
  return the_one;
}

}  // namespace

void parallel_ranges(int threads, std::int64_t count, RangeBody body, void* context) {
  const auto parts = std::min<std::int64_t>(threads, count);
  if (parts <= 1) {
    if (count > 0) body(context, 0, count, 0);
    return;
  }
  if (t_inside) {
    for (std::int64_t part = 0; part < parts; ++part)
      body(context, part * count / parts, (part + 1) * count / parts, static_cast<int>(part));
    return;
  }
  pool().run(parts, count, body, context);
}

void ask_for_full_teams() {}

int most_threads() { return std::numeric_limits<int>::max(); }

int team_size(int threads) { return pool().start(threads); }

const char* parallel_backend() { return "std::thread"; }

}  // namespace attnbench
