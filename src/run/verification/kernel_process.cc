#include "run/verification/kernel_process.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "run/protocol/messages.h"

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// Loading the program and its plugins is no kernel's time.
constexpr double kStartSeconds = 60;

Clock::time_point in_seconds(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

KernelProcess::KernelProcess(const Program& program, int shared_fd)
    : command_(fmt::format("{}", fmt::join(program.words, " "))), process_(program, shared_fd) {
  process_.send(to_json(messages::Hello{}));
  receive(in_seconds(kStartSeconds), fmt::format("gave no answer within {:g} s", kStartSeconds));
  if (!end_.empty() && !system_out_of_memory_) throw bad_worker(end_ + " before it was asked");
}

InputError KernelProcess::bad_worker(const std::string& problem) const {
  return {"worker", command_, fmt::format("of one kernel {}", problem)};
}

void KernelProcess::ended(const std::string& reason) {
  end_ = reason;
  process_.end(0);
}

void KernelProcess::ask(const json& message) {
  if (end_.empty()) process_.send(message);  // one that is gone is found to be by answer()
}

json KernelProcess::answer(double seconds, const std::function<void(const std::string&)>& on_doing) {
  const auto deadline = in_seconds(seconds);
  while (end_.empty()) {
    auto message = receive(deadline, fmt::format("did not finish within {:g} s", seconds));
    if (end_.empty() && messages::is<messages::Doing>(message)) {
      if (on_doing) on_doing(messages::read<messages::Doing>(message).what);
      continue;
    }
    return message;
  }
  return {};
}

json KernelProcess::receive(Clock::time_point deadline, const std::string& if_late) {
  const auto left = std::max(deadline - Clock::now(), Clock::duration::zero());
  LineChannel::Received received;
  try {
    received = process_.receive(std::chrono::ceil<std::chrono::milliseconds>(left));
  } catch (const NotAMessage& line) {
    throw bad_worker(fmt::format("printed what no worker says, {}", line.what()));
  }
  if (received.event == LineChannel::Event::timeout) {
    ended(if_late);
    return {};
  }
  if (received.event == LineChannel::Event::closed) {
    constexpr double kPatienceSeconds = 2;
    const auto end = process_.end(kPatienceSeconds);
    end_ = end.in_words();
    system_out_of_memory_ = end.out_of_memory;
    return {};
  }
  if (messages::is<messages::Ended>(*received.message)) {
    ended(messages::read<messages::Ended>(*received.message).reason);
    return {};
  }
  if (messages::is<messages::Error>(*received.message)) {
    throw bad_worker(
        fmt::format("cannot go on: {}", messages::read<messages::Error>(*received.message).reason));
  }
  return std::move(*received.message);
}

}  // namespace attnbench
