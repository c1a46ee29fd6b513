// Usage: estimate_noise STORE.db [REASON] > tests/simulation/noise.json
//        estimate_noise --processes FILE... > tests/simulation/noise_processes.json
// The noise of real stores, for simulations. The first: how much times vary between processes, between blocks
// and from slot to slot, and the shapes of these distributions, kernels pooled. With a REASON, processes that
// the noise guard rejected for it alone count as well ("CPU pressure": from a machine that others use too).
// The second keeps each kernel's own processes: by file, cell and entrant the log of the median over blocks,
// in ms, of each valid process (null where it has none), the baseline first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "stats/intervals.h"
#include "stats/variance_components.h"
#include "store/import.h"
#include "store/machine_names.h"
#include "store/store.h"

namespace attnbench {
namespace {

using Series = std::vector<double>;     ///< by block
using Processes = std::vector<Series>;  ///< of one entrant
using Cell = std::vector<Processes>;    ///< baseline first; log seconds

/// Log times of the entrants that have every block in every valid process. Empty if fewer than 2 processes.
Cell log_times(const CellRecord& record, const std::vector<ProcessRecord>& processes,
               const std::string& accepted_reason) {
  std::string baseline;
  for (const auto& kernel : record.kernels) {
    if (kernel.is_baseline) baseline = kernel.id();
  }
  std::map<std::string, std::map<int, std::map<int, double>>> logs;  // entrant, process, block
  std::size_t most = 0;
  int valid = 0;
  for (const auto& process : processes) {
    const bool excused = !accepted_reason.empty() && process.reason.starts_with(accepted_reason) &&
                         process.reason.find(';') == std::string::npos;
    if (!process.valid && !excused) continue;
    for (const auto& sample : process.samples) {
      if (!sample.valid || (sample.role != "kernel" && sample.role != "alias")) continue;
      const auto entrant = sample.role == "alias"         ? "alias"
                           : sample.kernel_id == baseline ? ""
                                                          : sample.kernel_id;
      auto& blocks = logs[entrant][valid];
      blocks[sample.block] = std::log(sample.time_seconds);
      most = std::max(most, blocks.size());
    }
    ++valid;
  }
  Cell cell;
  if (valid < 2 || !logs.contains("")) return cell;
  for (const auto& [entrant, by_process] : logs) {
    Processes complete;
    for (const auto& [process, blocks] : by_process) {
      if (blocks.size() != most) continue;
      Series series;
      for (const auto& [block, log] : blocks) series.push_back(log);
      complete.push_back(std::move(series));
    }
    if (complete.size() == static_cast<std::size_t>(valid)) cell.push_back(std::move(complete));
  }
  return cell;
}

struct Sums {
  double kernel_process = 0, residual = 0, process = 0, block = 0;  ///< variances, summed
  int pairs = 0, cells = 0, processes = 0;
  double lagged = 0, squared = 0;  ///< of the blocks' common deviations
  std::vector<double> kernel_process_deviations, residuals;
};

void add(const Cell& cell, Sums& sums) {
  const std::size_t processes = cell[0].size();
  const std::size_t blocks = cell[0][0].size();
  const auto entrants = static_cast<double>(cell.size());
  for (std::size_t k = 1; k < cell.size(); ++k) {
    Processes ratios(processes, Series(blocks));
    for (std::size_t p = 0; p < processes; ++p) {
      for (std::size_t b = 0; b < blocks; ++b) ratios[p][b] = cell[0][p][b] - cell[k][p][b];
    }
    const auto parts = stats::variance_components(ratios);
    sums.kernel_process += parts->between / 2;  // both kernels of a pair contribute
    sums.residual += parts->within / 2;
    ++sums.pairs;
  }

  Processes common(processes, Series(blocks, 0));  // mean over the entrants, each about its own mean
  std::vector<Series> process_means;
  for (const auto& entrant : cell) {
    Series means;
    for (const auto& series : entrant) means.push_back(stats::mean(series));
    for (std::size_t p = 0; p < processes; ++p) {
      for (std::size_t b = 0; b < blocks; ++b) {
        common[p][b] += (entrant[p][b] - stats::mean(means)) / entrants;
      }
    }
    process_means.push_back(std::move(means));
  }
  const auto parts = stats::variance_components(common);
  sums.process += parts->between;
  sums.block += parts->within;
  for (std::size_t p = 0; p < processes; ++p) {
    const double centre = stats::mean(common[p]);
    for (std::size_t b = 0; b < blocks; ++b) {
      sums.squared += (common[p][b] - centre) * (common[p][b] - centre);
      if (b > 0) sums.lagged += (common[p][b] - centre) * (common[p][b - 1] - centre);
    }
    for (std::size_t k = 0; k < cell.size(); ++k) {
      sums.kernel_process_deviations.push_back(process_means[k][p] - stats::mean(process_means[k]) - centre);
      for (std::size_t b = 0; b < blocks; ++b) {
        sums.residuals.push_back(cell[k][p][b] - process_means[k][p] - common[p][b] + centre);
      }
    }
  }
  ++sums.cells;
  sums.processes += static_cast<int>(processes);
}

/// Values at the middles of `count` equal shares, in units of the standard deviation about the mean.
std::vector<double> standardised_quantiles(std::vector<double> values, std::size_t count) {
  const double centre = stats::mean(values);
  const double scale = stats::standard_deviation(values);
  std::sort(values.begin(), values.end());
  std::vector<double> quantiles;
  for (std::size_t i = 0; i < count; ++i) {
    const auto rank = (2 * i + 1) * values.size() / (2 * count);
    quantiles.push_back(std::round((values[rank] - centre) / scale * 1000) / 1000);
  }
  return quantiles;
}

nlohmann::json estimate(const std::string& file, const std::string& accepted_reason) {
  const auto store = Store::open(file, Store::Mode::read);
  Sums sums;
  nlohmann::json source;
  for (const auto& [id, run] : store.runs()) {
    source = {{"study", run.study},
              {"profile", run.profile},
              {"machine", machine_name(store.contents(id))},
              {"noise_guard", run.environment->value("noise_guard", "on")}};
    for (const auto& cell : store.cells(id)) {
      const auto logs = log_times(cell, store.processes(id, cell.cell_id), accepted_reason);
      if (logs.size() >= 2 && logs[0][0].size() >= 2) add(logs, sums);
    }
  }
  if (sums.pairs == 0) throw std::runtime_error(file + ": no cell has two kernels in two valid processes");
  if (!accepted_reason.empty()) source["accepted_in_spite_of"] = accepted_reason;
  source["cells"] = sums.cells;
  source["processes"] = sums.processes;
  source["pairs"] = sums.pairs;
  const auto sd = [](double variances, int count) {
    return std::round(std::sqrt(variances / count) * 1e5) / 1e5;
  };
  return {{"source", source},
          {"process_sd", sd(sums.process, sums.cells)},
          {"kernel_process_sd", sd(sums.kernel_process, sums.pairs)},
          {"block_sd", sd(sums.block, sums.cells)},
          {"block_autocorrelation", std::round(sums.lagged / sums.squared * 1000) / 1000},
          {"residual_sd", sd(sums.residual, sums.pairs)},
          {"kernel_process_shape", standardised_quantiles(sums.kernel_process_deviations, 50)},
          {"residual_shape", standardised_quantiles(sums.residuals, 200)}};
}

/// Log median over blocks, in ms, by entrant ("" the baseline, "alias") and valid process; four decimals.
std::map<std::string, std::vector<nlohmann::json>> process_logs(
    const CellRecord& cell, const std::vector<const ProcessRecord*>& processes) {
  std::string baseline;
  for (const auto& kernel : cell.kernels) {
    if (kernel.is_baseline) baseline = kernel.id();
  }
  std::map<std::string, std::vector<nlohmann::json>> logs;
  for (std::size_t p = 0; p < processes.size(); ++p) {
    std::map<std::string, std::vector<double>> seconds;
    for (const auto& sample : processes[p]->samples) {
      if (!sample.valid || (sample.role != "kernel" && sample.role != "alias")) continue;
      const auto entrant = sample.role == "alias"         ? "alias"
                           : sample.kernel_id == baseline ? ""
                                                          : sample.kernel_id;
      seconds[entrant].push_back(sample.time_seconds);
    }
    for (const auto& [entrant, values] : seconds) {
      auto& row = logs[entrant];
      row.resize(processes.size());
      row[p] = std::round(std::log(1e3 * stats::median(values)) * 1e4) / 1e4;
    }
  }
  return logs;
}

nlohmann::ordered_json own_processes(std::span<const std::string> files) {
  nlohmann::ordered_json result;
  for (const auto& file : files) {
    const auto name = std::filesystem::path(file).stem().string();
    for (const auto& run : read_runs(file)) {
      for (const auto& cell : run.cells) {
        std::vector<const ProcessRecord*> valid;
        for (const auto& process : run.processes) {
          if (process.cell_id == cell.cell_id && process.valid) valid.push_back(&process);
        }
        auto& rows = result[name][cell.cell_id];
        for (const auto& [entrant, logs] : process_logs(cell, valid)) rows[entrant] = logs;
      }
    }
  }
  return result;
}

/// One line an entrant.
void print_processes(const nlohmann::ordered_json& files) {
  fmt::print("{{");
  const char* between_files = "";
  for (const auto& [file, cells] : files.items()) {
    fmt::print("{}\n \"{}\": {{", between_files, file);
    const char* between_cells = "";
    for (const auto& [cell, rows] : cells.items()) {
      fmt::print("{}\n  \"{}\": {{", between_cells, cell);
      const char* between_rows = "";
      for (const auto& [entrant, logs] : rows.items()) {
        fmt::print("{}\n   \"{}\": {}", between_rows, entrant, logs.dump());
        between_rows = ",";
      }
      fmt::print("}}");
      between_cells = ",";
    }
    fmt::print("}}");
    between_files = ",";
  }
  fmt::print("\n}}\n");
}

}  // namespace
}  // namespace attnbench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool own = words.size() >= 2 && words[0] == "--processes";
  if (!own && words.size() != 1 && words.size() != 2) {
    fmt::print(stderr, "usage: estimate_noise STORE.db [REASON] | estimate_noise --processes FILE...\n");
    return 2;
  }
  try {
    if (own) {
      attnbench::print_processes(attnbench::own_processes(std::span(words).subspan(1)));
      return 0;
    }
    const auto noise = attnbench::estimate(words[0], words.size() == 2 ? words[1] : "");
    std::string lines;  // one a key
    for (const auto& [key, value] : noise.items()) {
      lines += fmt::format("{} \"{}\": {}", lines.empty() ? "{\n" : ",\n", key, value.dump());
    }
    fmt::print("{}\n}}\n", lines);
  } catch (const std::exception& error) {
    fmt::print(stderr, "estimate_noise: {}\n", error.what());
    return 2;
  }
  return 0;
}
