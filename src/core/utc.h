#pragma once

#include <string>

namespace attnbench {

/// "2026-01-31T23:59:59Z"
std::string now_utc();

}  // namespace attnbench
