#include "attnbench/queue.h"

#include <chrono>

namespace attnbench {

std::unique_ptr<Replay> Queue::capture(const std::function<void(Queue&)>&) { return nullptr; }

namespace {

class CpuQueue final : public Queue {
 public:
  void wait() override {}
  void begin_timing() override { start_ = Clock::now(); }
  double end_timing_seconds() override {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
};

}  // namespace

std::unique_ptr<Queue> make_cpu_queue() { return std::make_unique<CpuQueue>(); }

}  // namespace attnbench
