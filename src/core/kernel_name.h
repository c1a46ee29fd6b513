#pragma once

#include <string>
#include <string_view>

namespace attnbench {

/// "kernel@engine[:path]": how a mechanism is computed.
std::string implementation_name(std::string_view kernel, std::string_view engine, std::string_view path);
/// "mechanism(params)/kernel@engine[:path]".
std::string kernel_id(std::string_view mechanism, std::string_view kernel, std::string_view engine,
                      std::string_view path);

}  // namespace attnbench
