#pragma once

#include <nlohmann/json.hpp>

namespace attnbench {

/// Versions by name: onednn and sqlite as loaded, highway and fmt as compiled.
nlohmann::json library_versions();

}  // namespace attnbench
