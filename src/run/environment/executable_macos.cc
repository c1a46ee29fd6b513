#include <fmt/format.h>
#include <mach-o/dyld.h>
#include <mach-o/loader.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "run/environment/executable.h"

namespace attnbench {

std::string build_id() {
  // The first image is the executable.
  const auto* const header = reinterpret_cast<const mach_header_64*>(_dyld_get_image_header(0));
  const auto* at = reinterpret_cast<const unsigned char*>(header + 1);
  for (std::uint32_t n = 0; header != nullptr && n < header->ncmds; ++n) {
    load_command command;
    std::memcpy(&command, at, sizeof command);
    if (command.cmd == LC_UUID) {
      uuid_command uuid;
      std::memcpy(&uuid, at, sizeof uuid);
      std::string id;
      for (const auto byte : uuid.uuid) id += fmt::format("{:02x}", byte);
      return id;
    }
    at += command.cmdsize;
  }
  throw std::runtime_error("this executable has no LC_UUID");
}

std::string own_program() { return own_path(); }

std::string own_path() {
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  if (_NSGetExecutablePath(path.data(), &size) != 0)
    throw std::runtime_error("cannot tell this executable's path");
  path.resize(std::strlen(path.c_str()));
  return std::filesystem::canonical(path).string();
}

}  // namespace attnbench
