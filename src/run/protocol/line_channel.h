#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace attnbench {

/// JSON lines over two file descriptors. Not thread-safe. Does not own the descriptors.
class LineChannel {
 public:
  LineChannel(int read_fd, int write_fd) : read_fd_(read_fd), write_fd_(write_fd) {}

  /// False when the other side is gone.
  bool send(const nlohmann::json& message);

  enum class Event { message, timeout, closed };
  struct Received {
    Event event = Event::timeout;
    nlohmann::json message;
  };
  /// Waits at most `timeout` for a whole line. A line that is not JSON throws std::runtime_error quoting it.
  Received receive(std::chrono::milliseconds timeout);

 private:
  std::optional<std::string> take_line();

  int read_fd_;
  int write_fd_;
  std::string pending_;
};

}  // namespace attnbench
