#include "run/noise/observe_noise.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "attnbench/cpu_device.h"
#include "run/noise/consumers.h"
#include "run/noise/noise.h"
#include "run/noise/sentinel.h"

namespace attnbench {

nlohmann::json observe_noise(const CpuDevice& device, double seconds, const std::function<void()>& also) {
  Sentinel sentinel(device.threads);
  std::vector<double> times;
  const auto processes = cpu_of_processes();
  const auto start = probe_noise(device.cpus);
  for (double spent = 0; spent < seconds; spent += times.back()) times.push_back(sentinel.run_seconds());
  if (also) also();
  auto noise = difference(start, probe_noise(device.cpus));
  if (const auto drift = sentinel_drift(times)) noise["sentinel_drift"] = *drift;
  noise["consumers"] = busiest(processes, cpu_of_processes(), noise.at("wall_seconds").get<double>());
  return noise;
}

}  // namespace attnbench
