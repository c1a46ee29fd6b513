#pragma once

#include <string>
#include <vector>

#include "plan/random.h"

namespace attnbench::simulation {

/// A kernel of a committed data set against the baseline of its cell, as its processes were.
struct MeasuredRow {
  std::string file, cell, kernel;  ///< kernel: "alias" for the baseline's second instance
  std::vector<double>
      log_ratios;  ///< log of (baseline's median / kernel's median), one a process that has both

  std::string name() const { return file + ", " + cell + ", " + kernel; }
};

/// All rows of at least five processes of data/paper-*.csv.gz, from tests/simulation/noise_processes.json:
///   gunzip -k data/paper-*.csv.gz data/paper-*.env.json.gz
///   estimate_noise --processes data/paper-*.csv > tests/simulation/noise_processes.json
const std::vector<MeasuredRow>& measured_rows();

/// `count` of the values, each drawn from all of them.
std::vector<double> resample(const std::vector<double>& values, int count, SplitMix64& random);

/// In (0, 1).
double uniform_share(SplitMix64& random);

}  // namespace attnbench::simulation
