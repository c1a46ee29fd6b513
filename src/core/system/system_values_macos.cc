#include <dlfcn.h>
#include <fmt/format.h>
#include <libproc.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "core/system/apple_values.h"
#include "core/system/system_files.h"

namespace attnbench {
namespace {

using Answer = std::optional<std::string>;

std::string line(std::string_view name, std::uint64_t value) { return fmt::format("{} {}\n", name, value); }

Answer sysctl_number(const char* name) {
  std::array<unsigned char, 8> bytes{};
  std::size_t size = bytes.size();
  if (sysctlbyname(name, bytes.data(), &size, nullptr, 0) != 0) return std::nullopt;
  return apple::number_of_sysctl({bytes.data(), size});
}

Answer sysctl_text(const char* name) {
  std::size_t size = 0;
  if (sysctlbyname(name, nullptr, &size, nullptr, 0) != 0) return std::nullopt;
  std::string text(size, '\0');
  if (sysctlbyname(name, text.data(), &size, nullptr, 0) != 0) return std::nullopt;
  return text.substr(0, text.find('\0'));
}

/// Ticks of each CPU: user, system, idle, nice.
Answer cpu_ticks() {
  natural_t cpus = 0;
  processor_info_array_t ticks = nullptr;
  mach_msg_type_number_t count = 0;
  const auto host = mach_host_self();
  const auto result = host_processor_info(host, PROCESSOR_CPU_LOAD_INFO, &cpus, &ticks, &count);
  mach_port_deallocate(mach_task_self(), host);
  if (result != KERN_SUCCESS) return std::nullopt;
  std::string text;
  const auto* load = reinterpret_cast<const processor_cpu_load_info*>(ticks);
  for (natural_t cpu = 0; cpu < cpus; ++cpu) {
    const auto& of = load[cpu].cpu_ticks;
    text += fmt::format("cpu{} {} {} {} {}\n", cpu, of[CPU_STATE_USER], of[CPU_STATE_SYSTEM],
                        of[CPU_STATE_IDLE], of[CPU_STATE_NICE]);
  }
  vm_deallocate(mach_task_self(), reinterpret_cast<vm_address_t>(ticks), count * sizeof *ticks);
  return text;
}

Answer memory_pages() {
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  const auto host = mach_host_self();
  const auto result =
      host_statistics64(host, HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count);
  mach_port_deallocate(mach_task_self(), host);
  if (result != KERN_SUCCESS) return std::nullopt;
  return line("page_size", vm_kernel_page_size) + line("free", pages.free_count) +
         line("inactive", pages.inactive_count) + line("purgeable", pages.purgeable_count);
}

Answer timebase() {
  mach_timebase_info_data_t base{};
  if (mach_timebase_info(&base) != KERN_SUCCESS) return std::nullopt;
  return line("numerator", base.numer) + line("denominator", base.denom);
}

/// Of this process; times in the units of `timebase`.
Answer own_usage() {
  rusage_info_v6 usage{};
  if (proc_pid_rusage(getpid(), RUSAGE_INFO_V6, reinterpret_cast<rusage_info_t*>(&usage)) != 0)
    return std::nullopt;
  return line("user_time", usage.ri_user_time) + line("system_time", usage.ri_system_time) +
         line("performance_user_time", usage.ri_user_ptime) +
         line("performance_system_time", usage.ri_system_ptime) +
         line("runnable_time", usage.ri_runnable_time) + line("footprint", usage.ri_phys_footprint) +
         line("peak_footprint", usage.ri_lifetime_max_phys_footprint);
}

/// PID, user and system time in the units of `timebase`, name.
Answer processes() {
  std::vector<pid_t> ids(static_cast<std::size_t>(std::max(proc_listallpids(nullptr, 0), 0)) + 64);
  const int count = proc_listallpids(ids.data(), static_cast<int>(ids.size() * sizeof(pid_t)));
  if (count <= 0) return std::nullopt;
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(count)));
  std::string text;
  for (const auto id : ids) {
    rusage_info_v0 usage{};
    std::array<char, 2 * MAXCOMLEN + 1> name{};
    if (proc_pid_rusage(id, RUSAGE_INFO_V0, reinterpret_cast<rusage_info_t*>(&usage)) != 0) continue;
    proc_name(id, name.data(), static_cast<std::uint32_t>(name.size() - 1));
    text += apple::process_line(id, usage.ri_user_time, usage.ri_system_time, name.data());
  }
  return text;
}

Answer address_space() {
  mach_task_basic_info_data_t info{};
  mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
  if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, reinterpret_cast<task_info_t>(&info), &count) !=
      KERN_SUCCESS)
    return std::nullopt;
  return fmt::format("{}", info.virtual_size);
}

/// A whole number that NSProcessInfo's processInfo answers to `message`. Foundation is looked up at run time:
/// nothing else here needs it or Objective-C.
Answer process_info(const char* message, bool is_bool) {
  static void* const foundation =
      dlopen("/System/Library/Frameworks/Foundation.framework/Foundation", RTLD_LAZY);
  static void* const objc = dlopen("/usr/lib/libobjc.A.dylib", RTLD_LAZY);
  if (foundation == nullptr || objc == nullptr) return std::nullopt;
  using GetClass = void* (*)(const char*);
  using RegisterName = void* (*)(const char*);
  using SendForObject = void* (*)(void*, void*);
  using SendForInteger = long (*)(void*, void*);
  using SendForBool = bool (*)(void*, void*);
  using SendForAnswer = bool (*)(void*, void*, void*);
  const auto get_class = reinterpret_cast<GetClass>(dlsym(objc, "objc_getClass"));
  const auto register_name = reinterpret_cast<RegisterName>(dlsym(objc, "sel_registerName"));
  void* const send = dlsym(objc, "objc_msgSend");
  if (get_class == nullptr || register_name == nullptr || send == nullptr) return std::nullopt;
  void* const type = get_class("NSProcessInfo");
  if (type == nullptr) return std::nullopt;
  void* const info = reinterpret_cast<SendForObject>(send)(type, register_name("processInfo"));
  void* const selector = register_name(message);
  if (info == nullptr ||
      !reinterpret_cast<SendForAnswer>(send)(info, register_name("respondsToSelector:"), selector))
    return std::nullopt;
  if (is_bool) return reinterpret_cast<SendForBool>(send)(info, selector) ? "1" : "0";
  return fmt::format("{}", reinterpret_cast<SendForInteger>(send)(info, selector));
}

}  // namespace

std::optional<std::string> read_from_system(const std::string& path) {
  static const std::map<std::string_view, Answer (*)()> kNames{
      {apple::kCpuTicks, cpu_ticks},
      {apple::kMemoryPages, memory_pages},
      {apple::kTimebase, timebase},
      {apple::kOwnUsage, own_usage},
      {apple::kProcesses, processes},
      {apple::kAddressSpace, address_space},
      {apple::kThermalState, [] { return process_info("thermalState", false); }},
      {apple::kLowPowerMode, [] { return process_info("isLowPowerModeEnabled", true); }},
  };
  if (const auto known = kNames.find(path); known != kNames.end()) return known->second();
  if (path.starts_with(apple::kNumbers)) return sysctl_number(path.c_str() + apple::kNumbers.size());
  if (path.starts_with(apple::kTexts)) return sysctl_text(path.c_str() + apple::kTexts.size());
  return read_file(path);
}

}  // namespace attnbench
