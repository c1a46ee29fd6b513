// Measured false-positive rates: how often a design declares a difference between identical kernels. From
// stores of the A/A study:
//
//   cmake -S . -B build/bench -DATTNBENCH_BENCH=ON && cmake --build build/bench
//   plugin=build/bench/bench/libaa_same_kernel.so
//   for seed in $(seq 20); do
//     build/bench/attnbench run aa --plugin $plugin --profile spec --seed $seed --out aa_$seed.db
//   done
//   build/bench/bench/bench_aa aa_*.db
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <exception>
#include <set>
#include <string>
#include <vector>

#include "aa/designs.h"
#include "attnbench/error.h"
#include "stats/intervals.h"
#include "stats/verdicts.h"
#include "store/import.h"
#include "store/machine_names.h"

namespace {

using namespace attnbench;

double percent(double share) { return 100 * std::clamp(share, 0.0, 1.0); }

/// A line of the table: share of the pairs. Replicates are independent, pairs within one are not: the
/// interval is over replicates.
void print_share(const char* design, const std::vector<bench::Replicate>& replicates,
                 double (*share)(const bench::Replicate&)) {
  std::vector<double> shares;
  for (const auto& replicate : replicates) {
    const double value = share(replicate);
    if (!std::isnan(value)) shares.push_back(value);
  }
  if (shares.empty()) {
    fmt::print("| {} | not measured |\n", design);
    return;
  }
  const auto rate = stats::mean_interval(shares);
  const bool has_spread = rate.is_bounded() && rate.low < rate.high;
  fmt::print("| {} | {:.1f} %{} |\n", design, percent(rate.estimate),
             has_spread ? fmt::format(" [{:.1f}, {:.1f}]", percent(rate.low), percent(rate.high)) : "");
}

/// Share of the replicates with a false verdict, with the interval of Clopper and Pearson.
void print_families(const std::vector<bench::Replicate>& replicates) {
  using Binomial = boost::math::binomial_distribution<double>;
  const auto all = static_cast<double>(replicates.size());
  const auto false_ones =
      static_cast<double>(std::count_if(replicates.begin(), replicates.end(), bench::has_false_verdict));
  constexpr double kTail = (1 - stats::kConfidence) / 2;
  fmt::print(
      "| any FASTER or SLOWER among a replicate's comparisons with one of them (Holm) | {:.1f} % [{:.1f}, "
      "{:.1f}] |\n",
      percent(false_ones / all), percent(Binomial::find_lower_bound_on_p(all, false_ones, kTail)),
      percent(Binomial::find_upper_bound_on_p(all, false_ones, kTail)));
}

void print_table(const std::vector<RunContents>& runs, int processes) {
  const auto replicates = bench::replicates(runs, processes);
  if (replicates.empty())
    throw InputError("processes", std::to_string(processes), "is more than the valid processes of any cell");
  std::set<std::string> machines, cells;
  std::size_t fewest = replicates[0].kernels.size();
  for (const auto& run : runs) machines.insert(machine_name(run));
  for (const auto& replicate : replicates) {
    cells.insert(replicate.processes[0]->cell_id);
    fewest = std::min(fewest, replicate.kernels.size());
  }
  if (fewest < 2)
    throw InputError("kernels", std::to_string(fewest), "is too few: two of the same are needed");
  fmt::print("{}: {} cells, {} replicates of {} processes, {} identical kernels, {} pairs a replicate\n\n",
             fmt::join(machines, ", "), cells.size(), replicates.size(), processes, fewest,
             fewest * (fewest - 1) / 2);
  fmt::print("| design | identical kernels declared different |\n|---|---|\n");
  print_share("fresh processes, interleaved and paired, t test over processes", replicates,
              bench::paired_processes);
  print_share("the same batches pooled over processes, Welch's test", replicates, bench::pooled_batches);
  print_share("single calls, one kernel after the other, pooled over processes, Welch's test", replicates,
              bench::pooled_calls);
  print_families(replicates);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"False-positive rates of measuring designs, from stores of the A/A study"};
  std::vector<std::string> files;
  int processes = stats::kFewestProcesses;
  app.add_option("STORE", files, "Stores of `attnbench run aa`, or their exports")->required();
  app.add_option("--processes", processes, "Processes that make a replicate")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<RunContents> runs;
    for (const auto& file : files) {
      for (auto& run : read_runs(file)) runs.push_back(std::move(run));
    }
    print_table(runs, processes);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_aa: {}\n", error.what());
    return 2;
  }
  return 0;
}
