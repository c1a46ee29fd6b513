#include "engines/cuda/nvml.h"

#include <dlfcn.h>

#include <array>
#include <type_traits>

namespace attnbench::cuda {
namespace {

/// The part of NVML's interface that is used, as its documentation gives it: the toolkit need not bring
/// nvml.h, and the library comes with the driver. All functions return 0 for success.
struct Nvml {
  using Device = void*;
  int (*init)() = nullptr;
  int (*handle_by_pci_bus_id)(const char*, Device*) = nullptr;
  int (*clock_info)(Device, int, unsigned*) = nullptr;
  int (*temperature)(Device, int, unsigned*) = nullptr;
  int (*power_usage)(Device, unsigned*) = nullptr;
  int (*throttle_reasons)(Device, unsigned long long*) = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  bool loaded = false;

  Nvml() {
    void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    loaded = find(init, "nvmlInit_v2") && find(handle_by_pci_bus_id, "nvmlDeviceGetHandleByPciBusId_v2") &&
             find(clock_info, "nvmlDeviceGetClockInfo") && find(temperature, "nvmlDeviceGetTemperature") &&
             find(power_usage, "nvmlDeviceGetPowerUsage") &&
             find(throttle_reasons, "nvmlDeviceGetCurrentClocksThrottleReasons") &&
             find(driver_version, "nvmlSystemGetDriverVersion") && init() == 0;
  }
};

const Nvml& nvml() {
  static const Nvml library;
  return library;
}

}  // namespace

std::map<std::string, double> nvml_readings(const std::string& pci_bus_id) {
  constexpr int kSmClock = 1, kMemoryClock = 2, kGpuTemperature = 0;
  std::map<std::string, double> readings;
  Nvml::Device device = nullptr;
  if (!nvml().loaded || nvml().handle_by_pci_bus_id(pci_bus_id.c_str(), &device) != 0) return readings;
  unsigned value = 0;
  if (nvml().clock_info(device, kSmClock, &value) == 0) readings["sm_clock_mhz"] = value;
  if (nvml().clock_info(device, kMemoryClock, &value) == 0) readings["memory_clock_mhz"] = value;
  if (nvml().temperature(device, kGpuTemperature, &value) == 0) readings["temperature_c"] = value;
  if (nvml().power_usage(device, &value) == 0) readings["power_w"] = value / 1000.0;
  unsigned long long reasons = 0;
  if (nvml().throttle_reasons(device, &reasons) == 0) {
    readings["throttle_reasons_mask"] = static_cast<double>(reasons);
  }
  return readings;
}

std::string nvml_driver_version() {
  std::array<char, 96> version{};
  if (!nvml().loaded || nvml().driver_version(version.data(), version.size()) != 0) return {};
  return version.data();
}

}  // namespace attnbench::cuda
