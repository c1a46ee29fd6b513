#include "simulation/noise_processes.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace attnbench::simulation {
namespace {

std::vector<MeasuredRow> read_rows() {
  std::ifstream stream(std::string(ATTNBENCH_SOURCE_DIR) + "/tests/simulation/noise_processes.json");
  if (!stream) throw std::runtime_error("tests/simulation/noise_processes.json cannot be read");
  constexpr std::size_t kFewest = 5;
  std::vector<MeasuredRow> rows;
  const auto files = nlohmann::json::parse(stream);
  for (const auto& [file, cells] : files.items()) {
    for (const auto& [cell, entrants] : cells.items()) {
      const auto& baseline = entrants.at("");
      for (const auto& [entrant, logs] : entrants.items()) {
        if (entrant.empty()) continue;
        MeasuredRow row{file, cell, entrant, {}};
        for (std::size_t p = 0; p < logs.size(); ++p) {
          if (logs[p].is_null() || baseline[p].is_null()) continue;
          row.log_ratios.push_back(baseline[p].get<double>() - logs[p].get<double>());
        }
        if (row.log_ratios.size() >= kFewest) rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

}  // namespace

const std::vector<MeasuredRow>& measured_rows() {
  static const auto rows = read_rows();
  return rows;
}

std::vector<double> resample(const std::vector<double>& values, int count, SplitMix64& random) {
  std::vector<double> drawn(static_cast<std::size_t>(count));
  for (double& value : drawn) value = values[random.next() % values.size()];
  return drawn;
}

double uniform_share(SplitMix64& random) {
  return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1.0p-53;
}

}  // namespace attnbench::simulation
