#include "run/external/peer.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/error.h"
#include "io/json.h"
#include "run/noise/quiet.h"

namespace attnbench {

using nlohmann::json;

namespace {

/// Ends a group of processes, stopped ones too, when its input ends without a line: when the process that had
/// the other end of it is gone.
Program guard_of(pid_t group) {
  Program program;
  program.words = {"/bin/sh", "-c", "read -r _ || kill -s KILL -- \"-$0\" 2> /dev/null",
                   std::to_string(group)};
  program.heartbeats = false;
  return program;
}

}  // namespace

Peer::Peer(const Program& program)
    : process_(program, memory_.descriptor()), guard_(guard_of(process_.id())) {}

bool Peer::is_lost() const {
  const std::lock_guard lock(mutex_);
  return !lost_.empty();
}

std::int64_t Peer::next_id() {
  const std::lock_guard lock(mutex_);
  return ++last_id_;
}

void Peer::lose(const std::string& how) {
  lost_ = "its program " + how;
  end(0);
  throw PeerError(lost_);
}

ProcessEnd Peer::end(double patience_seconds) {
  auto how = process_.end(patience_seconds);
  constexpr double kPatienceSeconds = 2;
  if (guard_.id() >= 0) guard_.send({{"type", "end"}});
  guard_.end(kPatienceSeconds);
  return how;
}

void Peer::rest() {
  const std::lock_guard lock(mutex_);
  if (!lost_.empty()) return;
  wait_until_quiet(process_.id());
  process_.suspend();
}

json Peer::ask(const json& message, std::string_view answer_type, double limit_seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kTick{1};
  const std::lock_guard lock(mutex_);
  if (!lost_.empty()) throw PeerError(lost_);
  process_.resume();
  process_.send(message);  // where it is gone, that is found below
  const auto start = Clock::now();
  LineChannel::Received received;
  while (received.event == LineChannel::Event::timeout) {
    if (std::chrono::duration<double>(Clock::now() - start).count() > limit_seconds)
      lose(fmt::format("gave no answer to '{}' within {:g} s", message.value("type", ""), limit_seconds));
    try {
      received = process_.receive(kTick);
    } catch (const NotAMessage& line) {
      lose(fmt::format("printed what is {}", line.what()));
    }
  }
  if (received.event == LineChannel::Event::closed) {
    constexpr double kPatienceSeconds = 2;
    const auto words = end(kPatienceSeconds).in_words();
    lose(fmt::format("{} at '{}'", words, message.value("type", "")));
  }
  const auto type = received.message->value("type", "");
  if (type == "error") throw PeerError(received.message->value("reason", "an error without a reason"));
  if (type != answer_type) lose(fmt::format("answered '{}' with '{}'", message.value("type", ""), type));
  return std::move(*received.message);
}

}  // namespace attnbench
