#include "run/environment/identity.h"

#include <fmt/format.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "attnbench/cpu_device.h"
#include "core/hash.h"
#include "core/system/parse.h"
#include "core/system/topology.h"

namespace attnbench {
namespace {

std::string caches_text(const SystemFiles& files) {
  std::string text;
  for (const auto& cache : caches_of(files, 0))
    text += fmt::format("L{} {} {} x{};", cache.level, cache.type, cache.bytes, cache.cpus.size());
  return text.empty() ? kNotReadable : text;
}

std::string memory_text(const SystemFiles& files) {
  const auto bytes = parse_meminfo(files.read("/proc/meminfo").value_or(""), "MemTotal");
  if (!bytes) return kNotReadable;
  constexpr std::int64_t kGiB = 1 << 30;
  return fmt::format("{} GiB", (*bytes + kGiB / 2) / kGiB);
}

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

std::string machine_key(const SystemFiles& files) {
  const auto cpu = parse_cpuinfo(files.read("/proc/cpuinfo").value_or(""));
  const auto cores = cores_of(files, online_cpus(files)).value_or(Cores{});
  return fmt::format("{:016x}", fnv1a(fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", cpu.vendor, cpu.model,
                                                  cpu.family, cpu.model_number, cpu.stepping,
                                                  to_string(cpu_features()), cpu.logical_cpus, cores.packages,
                                                  cores.physical, caches_text(files), memory_text(files))));
}

std::string build_id() {
  std::string id;
  dl_iterate_phdr(find_build_id, &id);
  if (id.empty()) throw std::runtime_error("this executable has no build id: link it with -Wl,--build-id");
  return id;
}

std::string boot_id(const SystemFiles& files) {
  return files.read("/proc/sys/kernel/random/boot_id").value_or(kNotReadable);
}

}  // namespace attnbench
