#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "report/text_width.h"

namespace attnbench {

std::size_t result_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kTextWidth;
  return std::clamp<std::size_t>(size.ws_col, 72, kTextWidth);
}

std::string fitted(const std::string& text) {
  return isatty(STDOUT_FILENO) != 0 ? wrapped(text, result_width()) : text;
}

void print_line(const std::string& line) { fmt::print("{}\n", fitted(line)); }

}  // namespace attnbench
