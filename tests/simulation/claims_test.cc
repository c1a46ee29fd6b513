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

/// Kernels of the published study, and a second one of each mechanism for the companion answers to choose
/// from.
const std::vector<std::string>& kernels() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> ids;
    for (const auto* swa : {"swa(w=32)", "swa(w=64)", "swa(w=128)"}) {
      for (const auto* kernel : {"/gather@cpu", "/masked@cpu", "/fused@cpu"})
        ids.push_back(std::string(swa) + kernel);
    }
    for (const auto* dense : {"mha", "gqa(kv=4)", "mqa"}) {
      for (const auto* kernel : {"/unfused@cpu", "/fused@cpu"}) ids.push_back(std::string(dense) + kernel);
    }
    for (const auto* sparse : {"block_sparse(bs=32,globals=1)", "block_sparse(bs=64,globals=1)"}) {
      for (const auto* kernel : {"/batched@cpu", "/fused@cpu"}) ids.push_back(std::string(sparse) + kernel);
    }
    for (const auto* linear :
         {"linear/two_gemm@cpu", "linear/fused@cpu", "causal_linear/cumsum@cpu", "causal_linear/chunked@cpu"})
      ids.emplace_back(linear);
    return ids;
  }();
  return all;
}

/// A setting in which all kernels take the same time at every N.
ClaimRun identical(const std::string& scope, SplitMix64& random) {
  ClaimRun run(scope);
  for (const int seqlen : {128, 256, 512, 1024}) {
    std::vector<std::vector<double>> logs(kernels().size());
    for (int p = 0; p < kProcesses; ++p) {
      const auto times =
          simulate_process(measured_noise(), std::vector(kernels().size(), 1e-3), kBlocks, random);
      for (std::size_t k = 0; k < logs.size(); ++k) logs[k].push_back(std::log(stats::median(times[k])));
    }
    for (std::size_t k = 0; k < logs.size(); ++k) run.add(kernels()[k], seqlen, logs[k]);
  }
  return run;
}

// What is not so of kernels that all take the same time: 1 to 8, 12 and 13 either way, REVERSED of 9 and 14.
// The spread (10) and the size of a slowdown (15) are other questions, 11 is no test.
bool is_false(const Claim& claim, const ClaimAnswer& answer) {
  if (claim.number == 10 || claim.number == 11 || claim.number == 15) return false;
  if (claim.number == 9 || claim.number == 14) return answer.direction == Direction::reversed;
  return answer.direction != Direction::unresolved && answer.direction != Direction::not_tested;
}

// All fifteen, in two settings, with the published kernels and the fastest of each mechanism: one family.
TEST(Claims, HeadlinesOfARunAreRarelyFalse) {
  constexpr int kRuns = 160;
  const auto claims = builtin_claims();
  SplitMix64 random(51);
  Rate any_false, published, detail;
  for (int trial = 0; trial < kRuns; ++trial) {
    auto run = identical("layer", random).run();
    run.groups.push_back(identical("core", random).run().groups[0]);
    const auto results = answer_claims(claims, std::vector{run});
    bool any = false;
    for (const auto& [claim, answers] : results) {
      ASSERT_GE(answers.size(), 2u);
      for (const auto& answer : answers) any = any || is_false(claim, answer);
      if (claim.number == 2) {
        published.count(is_false(claim, answers[0]));
        detail.count(answers[0].details.at(0).direction != Direction::unresolved);
      }
    }
    any_false.count(any);
  }
  report("fifteen headlines x 2 settings x 2 kinds of kernels, all identical: any false verdict", any_false);
  report("one headline among them", published);
  report("one detail, tested by itself", detail);
  EXPECT_LE(any_false.low(), 0.05);
  EXPECT_LE(detail.low(), 0.05);
}

/// sqrt(exp(variance of the log process medians) - 1), from many processes.
double true_cv(const NoiseModel& noise, SplitMix64& random) {
  std::vector<double> logs;
  for (int p = 0; p < 50'000; ++p)
    logs.push_back(std::log(stats::median(simulate_process(noise, std::vector{1e-3}, kBlocks, random)[0])));
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
              std::log(stats::median(simulate_process(noise, std::vector{1e-3}, kBlocks, random)[0])));
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
