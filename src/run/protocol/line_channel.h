#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "io/json_document.h"

namespace attnbench {

/// A line that is no JSON object; what() quotes its beginning.
class NotAMessage : public std::runtime_error {
 public:
  explicit NotAMessage(const std::string& line);
};

/// JSON lines over two file descriptors. Not thread-safe. Does not own the descriptors.
class LineChannel {
 public:
  LineChannel(int read_fd, int write_fd) : read_fd_(read_fd), write_fd_(write_fd) {}

  /// False when the other side is gone.
  bool send(const nlohmann::json& message);

  enum class Event { message, timeout, closed };
  struct Received {
    Event event = Event::timeout;
    JsonDocument message;
  };
  /// Waits at most `timeout` for a whole line. Throws NotAMessage.
  Received receive(std::chrono::milliseconds timeout);

 private:
  std::optional<std::string> take_line();

  int read_fd_;
  int write_fd_;
  std::string pending_;
};

}  // namespace attnbench
