#include "run/conductor/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/standard_streams.h"

namespace attnbench {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) return size.ws_col - 1u;
  return 79;
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { erase(); }

void Progress::erase() {
  if (line_open_) print_error("\r\033[K");
  line_open_ = false;
}

void Progress::update(const std::string& line) {
  if (quiet_) return;
  if (terminal_) {
    print_error("\r\033[K{}", line.substr(0, terminal_width()));
    line_open_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  const auto phase = line.substr(0, line.find(' '));
  if (phase == last_phase_ && now - last_plain_ < std::chrono::seconds(10)) return;
  last_phase_ = phase;
  last_plain_ = now;
  print_error("{}\n", line);
}

void Progress::milestone(const std::string& line) {
  if (quiet_) return;
  erase();
  print_error("{}\n", line);
}

void Progress::warning(const std::string& line) {
  erase();
  print_error("warning: {}\n", line);
}

std::string duration_in_words(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

}  // namespace attnbench
