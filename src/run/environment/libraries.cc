#include "run/environment/libraries.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "attnbench/registry.h"

namespace attnbench {

std::map<std::string, std::string> library_versions() {
  auto all = engine_libraries();
  all["sqlite"] = sqlite3_libversion();
  all["fmt"] = fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
  return all;
}

}  // namespace attnbench
