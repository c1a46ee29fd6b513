// How often a claim is resolved where there is nothing to resolve, and what its CV interval covers.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/cv_interval.h"
#include "stats/intervals.h"
#include "unit/claims_fixture.h"

namespace attnbench::simulation {
namespace {

constexpr int kTrials = 2000;
constexpr int kProcesses = 5;
constexpr int kBlocks = 20;

/// Log means of kernels of the same speed at one N, [kernel][process].
std::vector<std::vector<double>> identical(std::size_t kernels, SplitMix64& random) {
  std::vector<std::vector<double>> logs(kernels);
  for (int p = 0; p < kProcesses; ++p) {
    const auto times = simulate_process(measured_noise(), std::vector(kernels, 1e-3), kBlocks, random);
    for (std::size_t k = 0; k < kernels; ++k) logs[k].push_back(std::log(stats::mean(times[k])));
  }
  return logs;
}

std::string part_at(int seqlen) {
  return "[[parts]]\nrelation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = " +
         std::to_string(seqlen) + "\nexpect = \"faster\"\n";
}

bool any_resolved(const ClaimAnswer& answer) {
  for (const auto& part : answer.parts) {
    if (part.direction != Direction::unresolved) return true;
  }
  return false;
}

// Four parts on identical kernels; the companion chooses the fastest of four kernels for either side.
TEST(Claims, IdenticalKernelsAreRarelyResolved) {
  const auto claim = claim_of("[best]\ngqa = \"gqa(kv=4)/\"\nmha = \"mha/\"\n" + part_at(128) + part_at(256) +
                              part_at(512) + part_at(1024));
  SplitMix64 random(51);
  Rate published, best;
  for (int trial = 0; trial < kTrials; ++trial) {
    ClaimRun run;
    for (const int seqlen : {128, 256, 512, 1024}) {
      const auto logs = identical(8, random);
      run.add("mha/unfused@cpu", seqlen, logs[0]).add("gqa(kv=4)/unfused@cpu", seqlen, logs[1]);
      for (std::size_t k = 2; k < 8; ++k) {
        const auto mechanism = k % 2 == 0 ? "mha" : "gqa(kv=4)";
        run.add(mechanism + std::string("/fused@cpu:p") + std::to_string(k), seqlen, logs[k]);
      }
    }
    const auto answers = answer(claim, run.run());
    published.count(any_resolved(answers.at(0)));
    best.count(any_resolved(answers.at(1)));
  }
  report("claim of four parts on identical kernels: a part is resolved", published);
  report("the same for the fastest of four kernels on either side", best);
  EXPECT_LE(published.low(), 0.05);
  EXPECT_LE(best.low(), 0.05);
}

/// sqrt(exp(variance of the log process means) - 1), from many processes.
double true_cv(const NoiseModel& noise, SplitMix64& random) {
  std::vector<double> logs;
  for (int p = 0; p < 50'000; ++p)
    logs.push_back(std::log(stats::mean(simulate_process(noise, std::vector{1e-3}, kBlocks, random)[0])));
  const double sd = stats::standard_deviation(logs);
  return std::sqrt(std::expm1(sd * sd));
}

// An interval for a spread leans on normality; with skewed noise it covers less, and that is shown.
TEST(Claims, CvIntervalCovers) {
  for (const auto& noise : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const int processes : {5, 30}) {
      SplitMix64 random(52);
      const double truth = true_cv(noise, random);
      Rate rate;
      for (int trial = 0; trial < kTrials; ++trial) {
        std::vector<double> logs;
        for (int p = 0; p < processes; ++p)
          logs.push_back(
              std::log(stats::mean(simulate_process(noise, std::vector{1e-3}, kBlocks, random)[0])));
        const auto interval = stats::cv_interval(logs);
        rate.count(interval.low <= truth && truth <= interval.high);
      }
      report("coverage: CV between processes, " + noise.name + " noise, " + std::to_string(processes) +
                 " processes",
             rate);
      if (noise.name != normal_noise().name) continue;
      EXPECT_GE(rate.high(), 0.95);
      EXPECT_LE(rate.low(), 0.95);
    }
  }
}

}  // namespace
}  // namespace attnbench::simulation
