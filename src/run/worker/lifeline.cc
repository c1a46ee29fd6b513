#include "run/worker/lifeline.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "run/protocol/messages.h"

namespace attnbench {

Lifeline::Lifeline(int read_fd, int write_fd)
    : channel_(read_fd, write_fd), listener_([this] { listen(); }) {}

Lifeline::~Lifeline() {
  closing_ = true;
  listener_.join();
}

nlohmann::json Lifeline::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return !inbox_.empty(); });
  auto message = std::move(*inbox_.front());
  inbox_.pop_front();
  return message;
}

void Lifeline::send(const nlohmann::json& message) {
  bool sent = false;
  {
    const std::lock_guard lock(send_mutex_);
    sent = channel_.send(message);
  }
  if (!sent) end(1);
}

void Lifeline::arm(const std::string& kernel_id, const std::string& stage, double limit_seconds) {
  const auto limit =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit_seconds));
  const std::lock_guard lock(mutex_);
  step_ = {kernel_id, stage, limit_seconds, Clock::now() + limit, true};
}

void Lifeline::disarm() {
  const std::lock_guard lock(mutex_);
  step_.armed = false;
}

void Lifeline::end(int exit_code) { _exit(exit_code); }

void Lifeline::end_if_overdue() {
  Step step;
  {
    const std::lock_guard lock(mutex_);
    if (!step_.armed || Clock::now() < step_.deadline) return;
    step = step_;
  }
  send(to_json(messages::Error{step.kernel_id, step.stage,
                               fmt::format("gave no result within {:g} s", step.limit_seconds)}));
  end(4);
}

void Lifeline::listen() {
  // One wake-up a second is below what a slot can notice (microseconds), and bounds how late an end comes.
  constexpr std::chrono::milliseconds kTick{1000};
  const auto silence_limit = std::chrono::duration<double>(messages::kHeartbeatLimitSeconds);
  auto last_heard = Clock::now();
  while (!closing_) {
    auto received = channel_.receive(kTick);
    if (received.event == LineChannel::Event::closed) {
      if (closing_) return;
      end(1);
    }
    end_if_overdue();
    if (received.event == LineChannel::Event::timeout) {
      if (Clock::now() - last_heard > silence_limit) end(1);
      continue;
    }
    last_heard = Clock::now();
    if (received.message->value("type", "") == messages::kHeartbeat) continue;
    {
      const std::lock_guard lock(mutex_);
      inbox_.push_back(std::move(received.message));
    }
    arrived_.notify_one();
  }
}

}  // namespace attnbench
