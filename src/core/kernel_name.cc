#include "core/kernel_name.h"

#include <fmt/format.h>

namespace attnbench {

std::string implementation_name(std::string_view kernel, std::string_view engine, std::string_view path) {
  return fmt::format("{}@{}{}{}", kernel, engine, path.empty() ? "" : ":", path);
}

std::string kernel_id(std::string_view mechanism, std::string_view kernel, std::string_view engine,
                      std::string_view path) {
  return fmt::format("{}/{}", mechanism, implementation_name(kernel, engine, path));
}

}  // namespace attnbench
