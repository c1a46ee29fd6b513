#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "dispatch/profile.h"

namespace attnbench {

/// Mean and standard error of the logarithms of times, one a process. Few processes tell little of how far
/// they differ: as if two more had differed by 3 % (what fresh processes of a quiet machine do).
CostModel::Prediction mean_over_processes(std::span<const double> log_seconds);

/// What was measured so far: of each kernel and problem the median of each process.
class Evidence {
 public:
  void add(const std::string& kernel, const Problem& problem, int threads, double seconds);
  void add(const Evidence& other);
  bool empty() const { return entries_.empty(); }
  std::vector<MeasuredCost> costs() const;

 private:
  struct Entry {
    MeasuredCost cost;
    std::vector<double> log_seconds;
  };
  std::map<std::string, Entry> entries_;  ///< by kernel, problem and threads
};

}  // namespace attnbench
