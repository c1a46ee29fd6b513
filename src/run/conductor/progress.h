#pragma once

#include <chrono>
#include <string>

namespace attnbench {

/// Progress on stderr: one line that rewrites itself on a terminal, plain lines elsewhere (at most one every
/// ten seconds of a phase, and each milestone).
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();

  /// A passing state, its first word the phase; may be skipped.
  void update(const std::string& line);
  /// Something worth keeping in a log; always printed.
  void milestone(const std::string& line);
  void warning(const std::string& line);

 private:
  void erase();

  bool quiet_;
  bool terminal_;
  bool line_open_ = false;
  std::string last_phase_;
  std::chrono::steady_clock::time_point last_plain_{};
};

/// "1 h 02 min", "3 min 05 s", "12 s".
std::string duration_in_words(double seconds);

}  // namespace attnbench
