#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/system/parse.h"
#include "core/system/system_files.h"

/// Facts about this machine that Linux and macOS tell in ways of their own.
namespace attnbench {

/// The processor; on a Mac the chip's name, the machine's model as model number, and FEAT_ names as flags.
CpuInfo cpu_info(const SystemFiles& files);
/// Main memory, bytes.
std::optional<std::int64_t> memory_bytes(const SystemFiles& files);
/// What may be used without swapping, bytes. On a Mac: free, inactive and purgeable pages, never
/// more than the memory.
std::optional<std::int64_t> free_memory_bytes(const SystemFiles& files);
/// Address space that this process has, bytes; 0 where the system does not tell.
std::int64_t address_space_bytes(const SystemFiles& files);
/// "Debian GNU/Linux 12 (bookworm)", "macOS 15.1 (24B83)".
std::optional<std::string> system_name(const SystemFiles& files);

}  // namespace attnbench
