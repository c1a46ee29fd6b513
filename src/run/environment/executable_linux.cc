#include <fmt/format.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "run/environment/executable.h"

namespace attnbench {
namespace {

/// The note of a loaded object, if it is the executable (the first object the loader names).
int find_build_id(dl_phdr_info* object, std::size_t, void* result) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
    const auto* const end = at + segment.p_memsz;
    const auto alignment = segment.p_align == 8 ? std::size_t{8} : std::size_t{4};
    const auto aligned = [alignment](std::size_t size) { return (size + alignment - 1) & ~(alignment - 1); };
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const auto* const name = at + sizeof note;
      const auto* const description = at + aligned(sizeof note + note.n_namesz);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        for (std::size_t byte = 0; byte < note.n_descsz; ++byte)
          *static_cast<std::string*>(result) += fmt::format("{:02x}", description[byte]);
        return 1;
      }
      at = description + aligned(note.n_descsz);
    }
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(find_build_id, &id);
  if (id.empty()) throw std::runtime_error("this executable has no build id: link it with -Wl,--build-id");
  return id;
}

std::string own_program() {
  // In an emulator of another machine's CPU the system cannot start the file itself.
  const auto* const script = std::getenv("ATTNBENCH_EMULATOR");
  return script != nullptr && *script != '\0' ? script : "/proc/self/exe";
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace attnbench
