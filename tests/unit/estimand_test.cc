// A verdict, the ratio it is about and the times beside it are one estimate: over random stores, with
// disturbed blocks, slow processes and kernels missing here and there.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "analysis/analysis.h"
#include "plan/random.h"
#include "store/import.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

struct Counted {
  int rows = 0, resolved = 0, partial = 0, contradictions = 0;
};

/// Rows with a verdict whose times say otherwise, told from what a reader sees: the two times and the
/// verdict.
void count(const RunAnalysis& run, Counted& counted) {
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      const auto* baseline = cell.find(cell.baseline);
      for (const auto& kernel : cell.kernels) {
        counted.partial += !kernel.unranked.empty();
        if (!kernel.ok()) continue;
        ++counted.rows;
        if (!kernel.ratio || baseline == nullptr || !kernel.unranked.empty() || !baseline->unranked.empty())
          continue;
        const double shown = baseline->seconds->estimate / kernel.seconds->estimate;
        EXPECT_NEAR(kernel.ratio->estimate / shown, 1, 1e-9) << cell.cell.cell_id << " " << kernel.id();
        if (!kernel.judgement) continue;
        const auto verdict = kernel.judgement->verdict;
        counted.resolved += verdict == stats::Verdict::kFaster || verdict == stats::Verdict::kSlower;
        counted.contradictions += (verdict == stats::Verdict::kFaster && shown <= 1) ||
                                  (verdict == stats::Verdict::kSlower && shown >= 1);
      }
    }
  }
}

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11) * 0x1.0p-53; }

SyntheticRun random_run(SplitMix64& random) {
  SyntheticRun run;
  const std::vector<KernelRecord> kernels{
      SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mqa", "unfused"),
      SyntheticRun::kernel("swa(w=64)", "masked"), SyntheticRun::kernel("linear", "two_gemm")};
  for (const std::int64_t seqlen : {128, 256}) {
    const auto cell = run.add_cell(seqlen, kernels);
    std::vector<double> centres;
    for (std::size_t k = 0; k < kernels.size(); ++k)
      centres.push_back(1e-3 * std::exp(0.2 * uniform(random)));
    const auto missing = random.below(8);  // of half of the studies no kernel
    const int processes = 5 + static_cast<int>(random.below(6));
    for (int p = 0; p < processes; ++p) {
      auto& process =
          run.add_process(cell, p, 1 + static_cast<int>(random.below(6)), [&](std::size_t k, int) {
            const double slow = random.below(10) == 0 ? 3 : 1;       // a disturbed block
            const double vast = random.below(200) == 0 ? 1e300 : 1;  // and one that cannot be
            return centres[k] * std::exp(0.05 * uniform(random)) * slow * vast;
          });
      if (missing < kernels.size() && random.below(3) == 0)
        std::erase_if(process.samples, [&](const auto& s) { return s.kernel_id == kernels[missing].id(); });
    }
  }
  return run;
}

TEST(Estimand, NoVerdictContradictsTheTimesInItsRow) {
  Counted counted;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SplitMix64 random(seed);
    count(analyzed(random_run(random)), counted);
  }
  EXPECT_EQ(counted.contradictions, 0);
  EXPECT_GT(counted.resolved, 50) << "nothing was tested";
  EXPECT_GT(counted.partial, 10);
}

// Ratios of block medians beside means of blocks contradicted each other in this dataset.
TEST(Estimand, NorInPublishedData) {
  const std::string stem = "paper-spec-xeon-amx";
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "attnbench_estimand_test";
  std::filesystem::create_directories(folder);
  for (const auto* part : {".csv", ".env.json"}) {
    const auto command = "gzip -dc '" ATTNBENCH_SOURCE_DIR "/data/" + stem + part + ".gz' > '" +
                         (folder / (stem + part)).string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  Counted counted;
  for (const auto& run : analyze(read_runs((folder / (stem + ".csv")).string())).runs) count(run, counted);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(counted.rows, 384 + 16);
  EXPECT_EQ(counted.contradictions, 0);
}

}  // namespace
}  // namespace attnbench
