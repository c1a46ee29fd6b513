#include "run/ceilings/earlier.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/files.h"
#include "io/json.h"

namespace attnbench {

using nlohmann::json;

EarlierCeilings read_earlier_ceilings(const std::string& file) {
  const auto page = parse_json(read_text_file(file, "ceilings"), file);
  try {
    const auto cpu = read_field<json>(read_field<json>(page, "environment"), "cpu");
    return {file, read_field<std::string>(page, "machine_key"), read_field<std::string>(cpu, "allowed_cpus"),
            read_field<std::string>(page, "measured_utc"),
            ceilings_from_json(read_field<json>(page, "ceilings"))};
  } catch (const InputError& error) {
    throw InputError("ceilings", file,
                     fmt::format("is no output of `attnbench env --json`: {}", error.what()));
  }
}

void require_same_machine(const EarlierCeilings& earlier, const std::string& machine_key,
                          const std::string& allowed_cpus) {
  const auto require = [&](std::string_view what, const std::string& then, const std::string& now) {
    if (then != now) {
      throw InputError("ceilings", earlier.file,
                       fmt::format("was measured on another {}: {}, the workers have {}", what, then, now));
    }
  };
  require("machine", earlier.machine_key, machine_key);
  require("CPU set", earlier.allowed_cpus, allowed_cpus);
}

}  // namespace attnbench
