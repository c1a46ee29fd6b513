#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace attnbench {

/// Opens /dev/null in place of each of the descriptors 0, 1 and 2 that is closed, before any file is opened
/// that would take its number and then be written to as if it were standard output. Output to a closed
/// descriptor 1 still fails. From now on writing to a pipe that nobody reads is an error like any other, and
/// ends nothing.
void keep_standard_streams();

/// Writes to standard error and goes on where that fails: nothing is lost that is not stored elsewhere, and
/// there is no other place to tell it.
void write_error(std::string_view text);

template <typename... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
  write_error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace attnbench
