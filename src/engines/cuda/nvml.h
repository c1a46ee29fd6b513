#pragma once

#include <map>
#include <string>

namespace attnbench::cuda {

/// Readings of a GPU's state by the driver's management library, which is loaded when first asked for.
/// Nothing where it is missing. `pci_bus_id` as cudaDeviceGetPCIBusId() gives it.
std::map<std::string, double> nvml_readings(const std::string& pci_bus_id);
/// "580.159.04"; empty where the library is missing.
std::string nvml_driver_version();

}  // namespace attnbench::cuda
