#include "run/worker/memory_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <stdexcept>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/host_kernel.h"
#include "plan/budget.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kGib = std::int64_t{1} << 30;

Cell cell_of_keys(std::int64_t seqlen) {
  Cell cell;
  cell.shape.num_q_heads = 4;
  cell.shape.seqlen_q = cell.shape.seqlen_kv = seqlen;
  cell.shape.head_dim_qk = cell.shape.head_dim_v = 64;
  cell.mechanisms = {bind_kv_heads(parse_mechanism("mha"), 4, 0)};
  cell.baseline = "mha/unfused@cpu";
  return cell;
}

TEST(MemoryFit, TensorsMayTakeFourFifths) {
  const auto cell = cell_of_keys(1 << 20);
  const auto bytes = memory_bytes(cell);
  ASSERT_EQ(bytes, 4 * kGib);
  EXPECT_EQ(why_tensors_do_not_fit(cell, 5 * kGib), "");
  EXPECT_EQ(
      why_tensors_do_not_fit(cell, 5 * kGib - 5),
      "does not fit in memory: needs 4.00 GiB for this cell's tensors alone; 5.00 GiB are available, of "
      "which four fifths are used");
  EXPECT_EQ(why_tensors_do_not_fit(cell, 0), "") << "nothing is known of the memory";
}

TEST(MemoryFit, AStudyIsRefusedOnlyWhereItsSmallestCellIs) {
  Study study{"two", "", {cell_of_keys(1 << 20), cell_of_keys(1 << 10)}};
  EXPECT_NO_THROW(require_cell_that_fits(study, kGib));
  try {
    require_cell_that_fits(study, 1 << 20);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(study.cells[1].id()));
    EXPECT_THAT(error.what(), HasSubstr("needs 4.00 MiB"));
    EXPECT_THAT(error.what(), HasSubstr("1.00 MiB are available"));
  }
}

/// Kernels without a workspace; `throwing` cannot even say so.
class PlainKernel final : public HostKernel {
 public:
  PlainKernel(std::string_view name, bool throwing) : name_(name), throwing_(throwing) {}
  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "test"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  Support supports_on_cpu(const Problem&, const CpuDevice&) const override { return Support::yes(); }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem&, const CpuDevice&) const override {
    return nullptr;
  }
  double executed_flops(const Problem&) const override { return 1; }
  std::int64_t workspace_on_cpu(const Problem&, const CpuDevice&) const override {
    if (throwing_) throw std::runtime_error("no such stride");
    return 0;
  }

 private:
  std::string_view name_;
  bool throwing_;
};

// Tensors of 1 MiB each: q, k, v and o. Verification holds them for three kinds of input, and an output: 13
// MiB. Nine kernels are measured with the tensors and nine outputs: 13 MiB as well; the tenth does not fit.
TEST(MemoryFit, EachKernelHasAnOutputAndIsVerifiedWithAllInputs) {
  const auto cell = cell_of_keys(1 << 10);
  const CpuDevice device;
  constexpr const char* kNames[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  std::deque<PlainKernel> all;
  std::vector<KernelChoice> kernels;
  for (const auto* name : kNames) kernels.push_back({cell.mechanisms[0], &all.emplace_back(name, false)});
  const auto nine = std::vector(kernels.begin(), kernels.end() - 1);
  constexpr std::int64_t kMib = 1 << 20;
  EXPECT_TRUE(kernels_that_do_not_fit(cell, nine, device, 13 * kMib / 4 * 5).empty());
  const auto verified = kernels_that_do_not_fit(cell, nine, device, 13 * kMib / 4 * 5 - 5);
  EXPECT_EQ(verified.size(), 9u);
  EXPECT_THAT(
      verified.at("mha/a@test"),
      HasSubstr("needs 1.00 MiB beside 12.00 MiB of inputs while it is verified; 16.25 MiB are available"));
  const auto measured = kernels_that_do_not_fit(cell, kernels, device, 13 * kMib / 4 * 5);
  ASSERT_EQ(measured.size(), 1u);
  EXPECT_THAT(measured.at("mha/j@test"), HasSubstr("needs 1.00 MiB beside 13.00 MiB of this cell's tensors"));
}

TEST(MemoryFit, AKernelThatCannotSayWhatItNeedsCostsOnlyItsOwnRow) {
  const auto cell = cell_of_keys(1 << 10);
  const PlainKernel good("good", false), bad("bad", true);
  const std::vector<KernelChoice> kernels = {{cell.mechanisms[0], &good}, {cell.mechanisms[0], &bad}};
  for (const std::int64_t available : {std::int64_t{0}, kGib}) {
    const auto refused = kernels_that_do_not_fit(cell, kernels, CpuDevice{}, available);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused.at("mha/bad@test"), "cannot say what memory it needs: no such stride");
  }
}

}  // namespace
}  // namespace attnbench
