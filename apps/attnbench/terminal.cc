#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "report/text_width.h"

namespace attnbench {

namespace {

/// COLUMNS is the shell's: where it holds no number of columns it says nothing.
std::size_t columns() {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* set = std::getenv("COLUMNS");
  const std::string_view said = set == nullptr ? "" : set;
  std::size_t columns = 0;
  const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), columns);
  return error == std::errc{} && end == said.data() + said.size() && columns > 0 ? columns : kUsual;
}

}  // namespace

std::size_t result_width(std::size_t least) { return std::clamp(columns(), least, kTextWidth); }

std::string fitted(const std::string& text) {
  return isatty(STDOUT_FILENO) != 0 ? wrapped(text, result_width()) : text;
}

void print_line(const std::string& line) { fmt::print("{}\n", fitted(line)); }

}  // namespace attnbench
