#pragma once

#include <string>

namespace attnbench {

/// Hex GNU build id of the running executable, from its own note; on macOS its LC_UUID.
/// Throws std::runtime_error if it was linked without one.
std::string build_id();

/// What starts the running executable once more, also where another was put in its place (on Linux). There
/// ATTNBENCH_EMULATOR overrides it: a script that starts this executable in an emulator, for tests of another
/// machine's build.
std::string own_program();
/// Its path, without links.
std::string own_path();

}  // namespace attnbench
