#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace attnbench {
namespace {

/// Helpers 1..n-1 sleep until a job with a part for them arrives; the caller runs part 0.
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

  void run(std::int64_t parts, std::int64_t count, RangeBody body, void* context) {
    const std::lock_guard one_job_at_a_time(job_mutex_);
    {
      const std::lock_guard lock(mutex_);
      while (static_cast<std::int64_t>(helpers_.size()) + 1 < parts) {
        helpers_.emplace_back([this, index = static_cast<std::int64_t>(helpers_.size()) + 1, seen = job_] {
          help(index, seen);
        });
      }
      parts_ = parts, count_ = count, body_ = body, context_ = context;
      pending_ = parts - 1;
      ++job_;
    }
    wake_.notify_all();
    run_part(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return pending_ == 0; });
  }

 private:
  void run_part(std::int64_t part) {
    body_(context_, part * count_ / parts_, (part + 1) * count_ / parts_, static_cast<int>(part));
  }

  void help(std::int64_t index, std::uint64_t seen) {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || job_ != seen; });
      if (stopping_) return;
      seen = job_;
      if (index >= parts_) continue;
      lock.unlock();
      run_part(index);
      lock.lock();
      if (--pending_ == 0) done_.notify_one();
    }
  }

  std::mutex job_mutex_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> helpers_;
  std::uint64_t job_ = 0;
  std::int64_t parts_ = 0, count_ = 0, pending_ = 0;
  RangeBody body_ = nullptr;
  void* context_ = nullptr;
  bool stopping_ = false;
};

}  // namespace

void parallel_ranges(int threads, std::int64_t count, RangeBody body, void* context) {
  const auto parts = std::min<std::int64_t>(threads, count);
  if (parts <= 1) {
    if (count > 0) body(context, 0, count, 0);
    return;
  }
  static Pool pool;
  pool.run(parts, count, body, context);
}

const char* parallel_backend() { return "std::thread"; }

}  // namespace attnbench
