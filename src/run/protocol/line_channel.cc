#include "run/protocol/line_channel.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/json.h"

namespace attnbench {

namespace {

std::string printable_beginning(const std::string& line) {
  constexpr std::size_t kMost = 80;
  auto text = line.substr(0, kMost);
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line.size() > kMost ? text + "..." : text;
}

/// A launcher may print lines of its own.
nlohmann::json message_in(const std::string& line) {
  nlohmann::json message;
  try {
    message = parse_json(line, "message");
  } catch (const InputError&) {
    throw NotAMessage(line);
  }
  if (!message.is_object()) throw NotAMessage(line);
  // What is read of any message before it is known which one it is.
  for (const auto* field : {"type", "stage", "reason", "kernel_id"}) {
    if (message.contains(field) && !message[field].is_string()) throw NotAMessage(line);
  }
  return message;
}

}  // namespace

NotAMessage::NotAMessage(const std::string& line)
    : std::runtime_error(fmt::format("not a message: '{}'", printable_beginning(line))) {}

bool LineChannel::send(const nlohmann::json& message) {
  const std::string line = json_text(message) + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const auto n = write(write_fd_, line.data() + sent, line.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

std::optional<std::string> LineChannel::take_line() {
  const auto end = pending_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return line;
}

LineChannel::Received LineChannel::receive(std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout;
  while (true) {
    if (const auto line = take_line()) {
      return {Event::message, message_in(*line)};
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd descriptor{read_fd_, POLLIN, 0};
    const int ready = poll(&descriptor, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready == 0) return {};
    if (ready < 0) {
      if (errno != EINTR) return {Event::closed, {}};
      if (left <= 0) return {};
      continue;
    }
    std::array<char, 65536> chunk;
    const auto n = read(read_fd_, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {Event::closed, {}};
    pending_.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace attnbench
